"""The throughput result as Markdown: one table per number of environments, then the ratios that matter."""

TARGETS = {"fp32": 1.1, "bf16": 1.3}
SAPG_TARGET = 1.25


def markdown(result: dict) -> str:
    """Tables and ratios of a result of ``trainer_throughput.py``."""
    lines = [
        "# Trainer throughput",
        "",
        f"{result['machine']}, torch {result['torch']}, Python {result['python']}; "
        f"median of {result['rounds']} interleaved rounds of {result['seconds']:g} s"
        + ", glibc keeps freed memory" * result["malloc"]
        + ", CPU seconds of one thread" * result["cpu_time"]
        + ".",
    ]
    for size in result["sizes"]:
        lines += ["", *size_table(size), "", *ratios(size, result["sapg_against"])]
    return "\n".join(lines) + "\n"


def size_table(size: dict) -> list[str]:
    """Speed, share of the floor and warm-up of every contender."""
    floor = size["floor"]
    best_fp32 = max(floor["fp32_default_library"], floor["fp32_onednn"])
    lines = [
        f"## N = {size['num_envs']}",
        "",
        f"Floor (matrix products only): fp32 {floor['fp32_default_library']:,.0f} with torch's default library and "
        f"{floor['fp32_onednn']:,.0f} with oneDNN (relative error {floor['fp32_onednn_error']:.0e}), "
        f"bf16 {floor['bf16']:,.0f} env steps/s.",
        "",
        "| trainer | env steps/s | against the fastest peer | share of floor | rounds | build + warm-up, s |",
        "|---|---|---|---|---|---|",
    ]
    for one in size["contenders"]:
        bf16 = "bf16" in one["name"]
        peer = fastest(size, one["group"] if one["group"] in TARGETS else "fp32", ours=False)
        against = f"{one['env_steps_per_s'] / peer['env_steps_per_s']:.2f}" if peer else "-"
        lines.append(
            f"| {one['name']} | {one['env_steps_per_s']:,.0f} | {against} | "
            f"{one['env_steps_per_s'] / (floor['bf16'] if bf16 else best_fp32):.0%} | "
            f"{', '.join(f'{value:,}' for value in one['rounds'])} | {one['warm_up_s']:g} |"
        )
    return lines


def ratios(size: dict, sapg_against: dict[str, str]) -> list[str]:
    """Our best mode of each precision against the fastest peer's, and SAPG's cost against PPO's."""
    lines = []
    for group, target in TARGETS.items():
        ours, peer = fastest(size, group, ours=True), fastest(size, group, ours=False)
        if ours and peer:
            ratio = ours["env_steps_per_s"] / peer["env_steps_per_s"]
            lines.append(
                f"- {group}: {ours['name']} runs {ratio:.2f} times as fast as the fastest peer ({peer['name']}); "
                f"target {target}: {'met' if ratio >= target else 'missed'}."
            )
    speed = {one["name"]: one["env_steps_per_s"] for one in size["contenders"]}
    for sapg, ppo in sapg_against.items():
        if sapg in speed and ppo in speed:
            cost = speed[ppo] / speed[sapg]
            lines.append(
                f"- {sapg} costs {cost:.2f} times as much per environment step as {ppo}; "
                f"target {SAPG_TARGET}: {'met' if cost <= SAPG_TARGET else 'missed'}."
            )
    return lines


def fastest(size: dict, group: str, *, ours: bool) -> dict | None:
    """The fastest contender of a group, ours or not."""
    found = [one for one in size["contenders"] if one["group"] == group and one["ours"] == ours]
    return max(found, key=lambda one: one["env_steps_per_s"], default=None)

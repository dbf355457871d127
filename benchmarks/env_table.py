"""The table of ``env_throughput.py``."""

import statistics

PHYSICS_TARGET, ASYNC_TARGET = 0.85, 10.0
PUBLISHED = (
    # What others report of simulators with tens of thousands of hands, quoted as found; nothing of it was run here.
    ("SAPG paper, Sec. 5.2: 2e10 samples in 48 to 60 h, one GPU, training included", "93,000 to 116,000"),
    ("IsaacGymEnvs' AllegroKuka, 24,576 envs, RTX 6000 Ada: 238 ms or 108 ms per step", "103,000 or 227,000"),
    ("MuJoCo Warp port of it, 36,864 envs, RTX 6000 Ada, training included", "55,000"),
    ("Isaac Lab with Newton, Allegro in-hand (issue 4413), training included", "70,000 to 85,000"),
)
NAMES = {
    "ours": "ablate",
    "raw": "`mujoco.batch`, bare",
    "sync": "gymnasium SyncVectorEnv",
    "async": "gymnasium AsyncVectorEnv",
    "envpool": "envpool",
}


def ratio(one, other, name="env_steps_per_cpu_s"):
    """Median over the rounds of what one does over what the other does."""
    pairs = zip(one["rounds"], other["rounds"], strict=True)
    return statistics.median(mine[name] / theirs[name] for mine, theirs in pairs)


def find(contenders, **wanted):
    return [one for one in contenders if all(one[name] == value for name, value in wanted.items())]


def markdown(result):
    contenders = result["contenders"]
    lines = [
        "# Simulated tasks",
        "",
        f"{result['machine']}, load {result['load']:.1f} at the end; uniform random actions; medians of "
        f"{result['rounds']} rounds of {result['seconds']:g} s.",
        "",
        "| world | contender | copies | env steps/s | env steps per CPU second | physics steps per CPU second | "
        "share of physics | of bare physics |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in contenders:
        raw = find(contenders, kind="raw", task=one["task"], num_envs=one["num_envs"])
        share, against = one["physics_share"], ratio(one, raw[0]) if raw and one["kind"] == "ours" else None
        cells = [
            one["world"],
            NAMES[one["kind"]],
            f"{one['num_envs']:,}",
            f"{one['env_steps_per_s']:,.0f}",
            f"{one['env_steps_per_cpu_s']:,.0f}",
            f"{one['env_steps_per_cpu_s'] * one['substeps']:,.0f}",
            "" if share is None else f"{share:.0%}",
            "" if against is None else f"{against:.0%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *verdicts(contenders)]
    lines += [f"- Not run: {reason}" for reason in result["skipped"]]
    lines += ["", *gpu_lines(result["gpu"])]
    lines += ["", "Published elsewhere, for orientation (env steps/s):", "", "| source | rate |", "|---|---|"]
    lines += [f"| {source} | {rate} |" for source, rate in PUBLISHED]
    return "\n".join(lines) + "\n"


def verdicts(contenders):
    """How the targets fare, worst first."""
    lines = []
    for ours in find(contenders, kind="ours"):
        for raw in find(contenders, kind="raw", task=ours["task"], num_envs=ours["num_envs"]):
            share = ratio(ours, raw)
            verdict = "met" if share >= PHYSICS_TARGET else "missed"
            name = f"{ours['task']}, {ours['num_envs']:,} copies"
            lines.append(f"- Target {PHYSICS_TARGET:.0%} of bare physics, {name}: {verdict}, {share:.1%}.")
    for ours in find(contenders, kind="ours", world="HalfCheetah", num_envs=1024):
        for kind in ("async", "sync", "envpool"):
            rivals = find(contenders, kind=kind)
            if rivals:
                best = max(rivals, key=lambda one: one["env_steps_per_cpu_s"])
                same = find(rivals, num_envs=1024)
                line = f"- HalfCheetah, 1,024 copies, per CPU second, against {NAMES[kind]}: "
                if same:
                    line += f"{ratio(ours, same[0]):.1f} times as many steps as with as many copies, "
                if same and kind == "async":
                    verdict = "met" if ratio(ours, same[0]) >= ASYNC_TARGET else "missed"
                    line = line[:-2] + f" (target {ASYNC_TARGET:g}: {verdict}), "
                lines.append(line + f"{ratio(ours, best):.1f} times its best ({best['num_envs']:,} copies).")
    return lines


def gpu_lines(gpu):
    if gpu is None:
        return ["No CUDA device: MuJoCo Warp was not measured."]
    return [
        f"{gpu['device']}, MuJoCo Warp, {gpu['task']}, {gpu['num_envs']:,} copies: "
        f"{gpu['env_steps_per_s']:,.0f} env steps/s, {gpu['physics_steps_per_s']:,.0f} physics steps/s, "
        f"share of physics {gpu['physics_share']:.0%}, {gpu['memory_gib']:.1f} GiB; first step after "
        f"{gpu['first_step_cold_s']:.0f} s with an empty kernel cache, {gpu['first_step_cached_s']:.1f} s with a full "
        "one."
    ]

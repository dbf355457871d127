from envs.sim.require import draw_off_screen

draw_off_screen()  # before the first test imports mujoco

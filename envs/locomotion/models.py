"""The bodies: MJCF files that ship with gymnasium, changed where the published tasks need it.

Geometry, joints, masses, gears, contacts and integrators of the files are those of the gym versions that MAML, PEARL
and VariBAD used. What differs:

* ``half_cheetah.xml`` reaches its 14 kg by a compiler attribute that MuJoCo is about to drop; here the density does it.
* ``ant.xml`` gets an acceleration sensor that nobody reads: without a sensor of that kind MuJoCo >= 2 leaves
  ``cfrc_ext`` at 0, and the contact cost with it.
* ``ant.xml`` puts a margin of 10 mm around every geom, the floor included. A contact's margin was the larger of the
  two until MuJoCo 3.5 made it their sum; without the floor's it is 10 mm again.
* ``walker2d.xml`` has a time step of 2 ms; the file that comes with the random-parameter Walker has 4, and is the same
  otherwise. (Gymnasium's ``walker2d_v5.xml`` has another friction of the right foot and is not used.)

MuJoCo itself has moved on: the published runs used 1.31 (Walker) and 1.50, whose contacts and solvers differ in detail.
"""

from importlib import resources
from xml.etree import ElementTree

from envs.sim.model import Model, Scene

CHEETAH_MASS = 14.0
"""Kilograms of the whole body."""
WALKER_TIMESTEP = 0.004
"""Seconds."""


def cheetah() -> Scene:
    """The planar half cheetah: 9 coordinates, 6 motors."""
    root = _shipped("half_cheetah.xml")
    del _part(root, "compiler").attrib["settotalmass"]
    mass = float(Model(_scene(root)).mj.body_mass.sum())  # at MuJoCo's density of 1000 kg/m^3
    _part(root, "default/geom").set("density", repr(1000 * CHEETAH_MASS / mass))
    return _scene(root)


def ant() -> Scene:
    """The four-legged ant: a free body with 8 motors."""
    root = _shipped("ant.xml")
    _part(root, "worldbody/geom[@name='floor']").set("margin", "0")
    sensors = ElementTree.SubElement(root, "sensor")
    ElementTree.SubElement(sensors, "framelinacc", name="acceleration", objtype="body", objname="torso")
    return _scene(root)


def walker() -> Scene:
    """The planar walker on two legs: 9 coordinates, 6 motors."""
    root = _shipped("walker2d.xml")
    _part(root, "option").set("timestep", repr(WALKER_TIMESTEP))
    return _scene(root)


def _shipped(name: str) -> ElementTree.Element:
    """One of gymnasium's files."""
    file = resources.files("gymnasium") / "envs" / "mujoco" / "assets" / name
    return ElementTree.fromstring(file.read_text(encoding="utf-8"))


def _part(root: ElementTree.Element, path: str) -> ElementTree.Element:
    found = root.find(path)
    if found is None:
        raise ValueError(f"gymnasium's model `{root.get('model')}` has no {path}: another version than 1.x?")
    return found


def _scene(root: ElementTree.Element) -> Scene:
    return Scene(ElementTree.tostring(root, encoding="unicode"))

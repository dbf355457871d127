"""The Shadow Dexterous Hand (right), from the files that the package ``gymnasium-robotics`` carries.

The model is OpenAI's: 24 joints, 20 of them driven; a fixed tendon couples the two last joints of each finger but the
thumb. Isaac Gym's ShadowHand reads the same files. They stay where they are installed and are read at run time; (C)
Vikash Kumar, Apache License 2.0, ``gymnasium_robotics/envs/assets/LICENSE.md``.

What we change: the 40 tendons that model the limits of cables go, as Isaac Gym has it; the forearm's hull and two
boxes of 2 mm inside the thumb touch nothing; gravity does not act on the hand, as in Isaac Gym's task; dry friction of
0.001 N m per joint goes, which is 1 % of the damping at 1 rad/s and would be 24 of about 34 rows of the solver. Fingers
still meet each other in the 19 pairs of geoms that the files list.

Frame of the hand, body ``MOUNT``: z along the forearm and fingers, -y out of the palm.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from envs.hand.world import Part, Quaternion, Vector, text
from envs.sim.require import locate

MOUNT = "robot0:hand mount"
FINGERS = ("ff", "mf", "rf", "lf", "th")
"""First (index), middle, ring and little finger, thumb: the order of tips and their sensors."""
JOINTS = tuple(
    f"robot0:{joint}"
    for joint in (
        *("WRJ1", "WRJ0", "FFJ3", "FFJ2", "FFJ1", "FFJ0", "MFJ3", "MFJ2", "MFJ1", "MFJ0", "RFJ3", "RFJ2", "RFJ1"),
        *("RFJ0", "LFJ4", "LFJ3", "LFJ2", "LFJ1", "LFJ0", "THJ4", "THJ3", "THJ2", "THJ1", "THJ0"),
    )
)
"""Names of the joints, in the order of ``qpos``."""
DRIVEN = tuple(joint for joint in JOINTS if joint not in {f"robot0:{finger}J0" for finger in ("FF", "MF", "RF", "LF")})
"""Names of the joints with a servo, in the order of ``ctrl``."""
TIPS = tuple(f"robot0:{finger}distal" for finger in FINGERS)
"""Names of the bodies that end the fingers."""
PALM_UP: Quaternion = (0.0, 0.0, -(0.5**0.5), 0.5**0.5)
"""Orientation with the palm up and the fingers along the world's -y, as in the published tasks."""

_COUPLINGS = tuple(f"robot0:T_{finger}J1c" for finger in ("FF", "MF", "RF", "LF"))
_FOREARM_HULL = "robot0:forearm_cvx"
_COLOURS = {"robot0:MatColl": ".4 .5 .6 1", "robot0:MatViz": ".3 .32 .37 1"}


def shadow(*, position: Vector = (0, 0, 0), orientation: Quaternion = PALM_UP) -> Part:
    """The hand on a fixed forearm. Its meshes are the ``meshes()`` of the scene.

    Sensors, one group after the other so that ``sensordata`` begins with them: for every tip its position, orientation,
    velocity and angular velocity in the world's frame (13 numbers); then for every tip force (N) and torque (N m) from
    the link before it, in its own frame (6 numbers), its weight included.

    Args:
        position: Of the mount in the world, m.
        orientation: Of the mount in the world.
    """
    folder = _assets() / "hand"
    shared, looks = _parsed(folder / "shared.xml"), _parsed(folder / "shared_asset.xml")
    mount = _only(_parsed(folder / "robot.xml"), "body")
    for body in mount.iter("body"):
        body.set("gravcomp", "1")
        for geom in body.findall("geom"):
            if geom.get("mesh") == _FOREARM_HULL:
                body.remove(geom)
            elif geom.get("name", "").startswith("robot0:V_"):
                geom.attrib.update(contype="0", conaffinity="0")
        if body.get("name") in TIPS:
            ET.SubElement(body, "site", name=f"{body.get('name')}_site", group="4")
    mount.attrib.pop("euler")
    mount.set("pos", text(position))
    mount.set("quat", text(orientation))
    for joint in shared.iter("joint"):
        joint.attrib.pop("frictionloss", None)
    tendons = _only(shared, "tendon")
    for tendon in list(tendons):
        if tendon.get("name") not in _COUPLINGS:
            tendons.remove(tendon)
    wanted = ET.Element("asset")
    wanted.extend(mesh for mesh in looks.findall("mesh") if mesh.get("name") != _FOREARM_HULL)
    for material in looks.findall("material"):
        if material.get("name") in _COLOURS:
            material.set("rgba", _COLOURS[material.get("name", "")])
            wanted.append(material)
    sections = (_only(shared, "default"), wanted, _only(shared, "contact"), tendons)
    return Part(
        _written(mount),
        "\n".join(map(_written, _only(shared, "actuator"))),
        _sensors(),
        "\n".join(map(_written, sections)),
    )


def meshes() -> Mapping[str, bytes]:
    """The STL files that the model names."""
    return {path.name: path.read_bytes() for path in sorted((_assets() / "stls" / "hand").glob("*.stl"))}


def _sensors() -> str:
    frames = ("framepos", "framequat", "framelinvel", "frameangvel")
    states = (f'<{kind} name="{tip}_{kind}" objtype="xbody" objname="{tip}"/>' for tip in TIPS for kind in frames)
    wrenches = (f'<{kind} name="{tip}_{kind}" site="{tip}_site"/>' for tip in TIPS for kind in ("force", "torque"))
    return "\n".join((*states, *wrenches))


def _assets() -> Path:
    return locate("gymnasium_robotics", extra="shadow", purpose="the Shadow hand") / "envs" / "assets"


def _parsed(path: Path) -> ET.Element:
    return ET.parse(path).getroot()


def _only(parent: ET.Element, tag: str) -> ET.Element:
    """The one child of that kind."""
    (found,) = parent.findall(tag)
    return found


def _written(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode").strip()

"""The models of this project: where they are, installed or in a checkout."""

from pathlib import Path


def protocol_folder() -> Path:
    """The folder of ``zre_log_msg.xml`` and ``zre_msg.xml``: in the installed package, else in the checkout.

    Raises:
        FileNotFoundError: neither has it: the installation is damaged.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "protocol", here.parents[1] / "protocol"):
        if (folder / "zre_msg.xml").is_file():
            return folder
    raise FileNotFoundError(f"{here / 'protocol'}: the protocol models are missing")


def resolve(path: str) -> str:
    """``path``, or when there is no such file and it is the bare name of a model of this project, the path of that."""
    if Path(path).name == path and not Path(path).exists():
        for name in (path, f"{path}.xml"):
            candidate = protocol_folder() / name
            if candidate.is_file():
                return str(candidate)
    return path

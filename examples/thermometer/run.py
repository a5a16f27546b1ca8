"""A protocol of one's own, from its model to two programs that speak it: `python examples/thermometer/run.py`.

Generates the codec of thermometer_msg.xml into a temporary folder, as `zlog codegen MODEL.xml --lang python -o FOLDER`
does, and lets a thermometer and a display talk over ZeroMQ on the loopback.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import zmq

from zlog.cli import main as zlog

MODEL = Path(__file__).with_name("thermometer_msg.xml")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as context:
        package = Path(folder) / "thermometer"
        if zlog(["codegen", str(MODEL), "--lang", "python", "-o", str(package)]):
            sys.exit(1)
        (package / "__init__.py").touch()
        sys.path.insert(0, folder)
        codec = importlib.import_module("thermometer.thermometer_msg")

        with context.socket(zmq.PAIR) as display, context.socket(zmq.PAIR) as thermometer:
            port = display.bind_to_random_port("tcp://127.0.0.1")
            thermometer.connect(f"tcp://127.0.0.1:{port}")
            reading = codec.Reading(sensor="kitchen", millikelvin=294_650, notes={"battery": "81%"})
            thermometer.send(reading.encode())
            seen = codec.decode(display.recv())
            print(f"the display sees {seen}: {seen.millikelvin / 1000 - 273.15:.1f} °C")
            display.send(codec.Period(milliseconds=codec.DEFAULT_PERIOD // 4).encode())
            print(f"the thermometer is asked for {codec.decode(thermometer.recv())}")
        try:
            codec.decode(b"\xaa\xa9\x01\x07kitch")
        except codec.DecodeError as error:
            print(f"and what is no message is refused: {error}")


if __name__ == "__main__":
    main()

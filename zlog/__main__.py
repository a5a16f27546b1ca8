"""``python -m zlog`` is the command ``zlog``."""

import sys

from zlog.cli import main

if __name__ == "__main__":
    sys.exit(main())

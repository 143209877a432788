#!/usr/bin/env python3
"""Print the version of a Python package, or of Python itself."""

import platform
import sys
from importlib.metadata import version

name = sys.argv[1]
print(platform.python_version() if name == "python" else version(name))

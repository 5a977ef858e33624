# SPDX-License-Identifier: MIT
#
# gdb runs this when it loads libedo.so, by whose path it is named where it is installed (cmake/EdoInstall.cmake): it only
# finds the commands, which lie under the same share/.
import os
import runpy
import sys


def edo_find():
    directory = os.path.dirname(os.path.realpath(__file__))
    while directory != os.path.dirname(directory):
        script = os.path.join(directory, "edo", "gdb", "edo-gdb.py")
        if os.path.exists(script):
            runpy.run_path(script)
            return
        directory = os.path.dirname(directory)


if "edo_gdb.commands" not in sys.modules:  # once, and not whenever the program is run again
    edo_find()

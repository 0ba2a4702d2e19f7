"""What goes wrong outside of the program: kills, damage, full disks, clocks, odd input. A promise and a test for each.

The table in `docs/faults.md` is made of the tests' names and outcomes by `python -m tests.faults`.
"""

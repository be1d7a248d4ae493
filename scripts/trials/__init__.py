"""The command behind `scripts/torture`: everything that can go wrong between a disk and a page, tried on purpose.

Each subject is a module with its `TRIALS`, functions of a `Trial`: small seeded cases that judge themselves.
`playing` plays those of one subject in a process of its own; `__main__` starts these in turn, watches them and
tells what came of it. All of it is loopback only.
"""

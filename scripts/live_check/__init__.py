"""The command behind `scripts/check-live`: what the service answers, beside what the contract says it answers.

`documented` reads the contract, `shapes` compares bodies with it, `situations` is the list of what is tried, `run`
tries it, `report` shows it. `__main__` is the command line.
"""

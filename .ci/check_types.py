"""Fail unless type checkers know the types of 98 % of the public names, as ``basedpyright --verifytypes`` counts."""

import json
import subprocess
import sys

LEAST = 0.98


def main() -> None:
    """Print the names whose types are not known, and the share of the others; exit with 1 if that is too small."""
    command = ["basedpyright", "--verifytypes", "l1_any", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # 1 below 100 %
    report = json.loads(done.stdout)["typeCompleteness"]
    for symbol in report["symbols"]:
        if symbol["isExported"] and (symbol["isTypeAmbiguous"] or not symbol["isTypeKnown"]):
            print(symbol["name"], *(found["message"] for found in symbol["diagnostics"]))
    score = report["completenessScore"]
    print(f"Type checkers know the types of {score:.1%} of the public names; {LEAST:.0%} are required.")
    sys.exit(score < LEAST)


if __name__ == "__main__":
    main()

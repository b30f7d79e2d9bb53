"""Checks docs/reference/openapi.json: against the specification, and by the strictest rules of Redocly's linter.

openapi-spec-validator comes from a wheel and always runs. Redocly CLI needs Node and is fetched once by npm; without
Node it is left out. It was chosen over Spectral: 15 MB instead of 100, and it checks examples against their schemas.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "reference" / "openapi.json"
SOURCES = ROOT / "scripts" / "openapi_linter"
INSTALLED = ROOT / ".tools" / "openapi_linter"


def main() -> int:
    """Print every complaint; the exit status is 1 if there is one."""
    from openapi_spec_validator import OpenAPIV31SpecValidator

    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    errors = OpenAPIV31SpecValidator(document).iter_errors()
    found = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
    for complaint in found:
        print(complaint)
    if shutil.which("npm") is None:
        print("openapi: Redocly is left out, there is no Node here")
        return 1 if found else 0
    linted = redocly()
    print(
        f"openapi: {len(found)} faults by the specification; Redocly {'complains' if linted else 'has nothing to say'}"
    )
    return 1 if found or linted else 0


def redocly() -> int:
    """Its exit status."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    wanted = (SOURCES / "package.json").read_text()
    stamp = INSTALLED / "stamp"
    shutil.copy(SOURCES / "redocly.yaml", INSTALLED)
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.copy(SOURCES / "package.json", INSTALLED)
        options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        subprocess.run(["npm", "install", *options], cwd=INSTALLED, check=True)
        stamp.write_text(wanted)
    environment = os.environ | {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    command = ["node", "node_modules/@redocly/cli/bin/cli.js", "lint", str(DOCUMENT), "--format=stylish"]
    ran = subprocess.run(command, cwd=INSTALLED, env=environment, capture_output=True, text=True)
    if ran.returncode:
        print(ran.stdout, ran.stderr)
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())

"""`rankloom doctor`."""

from __future__ import annotations

from argparse import Namespace

from core.commandline.command import Answer, Subcommand, home
from core.commandline.document import pairs


class Doctor(Subcommand):
    """Say what this machine has, what works, and what is missing and how to get it."""

    name = "doctor"

    def run(self, arguments: Namespace) -> Answer:
        from core.doctor import examine

        found = examine(home(arguments))
        lines = [pairs(found.machine), ""]
        for finding in found.findings:
            lines.append(f"{'ok     ' if finding.works else 'missing'}  {finding.name}: {finding.text}")
            if finding.hint:
                lines.append(f"         {finding.hint}")
        return Answer(found.to_dict(), "\n".join(lines))

"""Opening the window."""

from __future__ import annotations

import subprocess
import sys

from core.home import Home

HEAVY = ("torch", "transformers", "datasets", "bitsandbytes", "peft", "tokenizers")


def test_the_windows_process_never_imports_torch(home: Home) -> None:
    program = f"""
import sys
from app.start import make_application, make_window
from core.home import find_home
app = make_application()
window = make_window(find_home({str(home.root)!r}))
window.show()
for key in window.navigation.entries:
    window.go(key)
    window.page(key)
    app.processEvents()
window.close()
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_window_leaves_plots_for_later() -> None:
    program = "import sys, app.start; print('pyqtgraph' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

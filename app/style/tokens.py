"""The colours of the window, once for dark and once for light.

One accent means "chosen, running, primary", amber means held-out and warnings, red only stop and failure. Data has
colours of its own (`series`, and viridis for magnitude). Colours whose name ends in `_text` are the same hues made
readable as text: a test holds every one of them to a contrast of 4.5 to 1 on every ground.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.figures import scale


@dataclass(frozen=True, slots=True)
class Tokens:
    """One scheme. Every value is `#rrggbb`."""

    dark: bool
    ground: str
    side: str
    panel: str
    raised: str
    hover: str
    line: str
    text: str
    muted: str
    faint: str
    accent: str
    accent_text: str
    amber: str
    amber_text: str
    red: str
    red_text: str
    blue: str
    blue_text: str
    button: str
    on_button: str
    chosen: str
    series: tuple[str, ...]
    parts: tuple[str, ...]

    def color(self, name: str) -> str:
        """A token by its name, `series:3` of the categorical set, `scale:0.4` of viridis, or `#rrggbb` as it is.

        Of viridis only what stands out from the ground is used.
        """
        if name.startswith("scale:"):
            place = 0.25 + 0.75 * float(name.removeprefix("scale:")) if self.dark else 0.85 * float(name[6:])
            return "#" + bytes(scale.sequential()[round(255 * place)]).hex()
        if name.startswith("series:"):
            return self.series[int(name.removeprefix("series:")) % len(self.series)]
        return name if name.startswith("#") else str(getattr(self, name))


DARK = Tokens(
    dark=True,
    ground="#111418", side="#161a20", panel="#181c22", raised="#1f242c", hover="#272d37", line="#2a313b",
    text="#e7eaef", muted="#8a94a3", faint="#566071",
    accent="#3fbfa8", accent_text="#3fbfa8", amber="#f0b35a", amber_text="#f0b35a",
    red="#ef6f6c", red_text="#ef6f6c", blue="#7aa7f0", blue_text="#7aa7f0",
    button="#3fbfa8", on_button="#0d1416", chosen="#203a3a",
    series=scale.CURVES_ON_DARK,
    parts=("#5b8def", "#3fbfa8", "#c9b6ff", "#f0b35a", "#d8614a", "#7f8996"),
)  # fmt: skip

LIGHT = Tokens(
    dark=False,
    ground="#f4f5f7", side="#ffffff", panel="#ffffff", raised="#f0f2f5", hover="#e6e9ee", line="#dde2e8",
    text="#1b2128", muted="#5c6675", faint="#98a2b0",
    accent="#0f8f7b", accent_text="#0b7363", amber="#b4720b", amber_text="#8a5706",
    red="#c5403c", red_text="#b83733", blue="#2f66c4", blue_text="#2f66c4",
    button="#0b7a69", on_button="#ffffff", chosen="#d5ece8",
    series=scale.CURVES_ON_LIGHT,
    parts=("#2f66c4", "#3fbfa8", "#c98ae8", "#f0b35a", "#d8614a", "#7f8996"),
)  # fmt: skip

SCHEMES: tuple[Tokens, Tokens] = (DARK, LIGHT)

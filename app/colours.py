"""The two colour schemes: after the stone, from sea foam to deep water."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colours:
    """One colour scheme. Every text colour has at least 4.5:1 on the surfaces where it is used (WCAG AA)."""

    dark: bool
    surface: str
    rail: str
    raised: str
    hover: str
    border: str
    border_strong: str
    """For the outline of controls: at least 3:1 on the surface."""
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    accent_soft: str
    link: str
    bubble: str
    code: str
    selection: str
    danger: str
    danger_soft: str
    badge: str
    on_badge: str
    good: str
    code_keyword: str
    code_name: str
    code_string: str
    code_number: str
    code_comment: str


LIGHT = Colours(
    dark=False,
    surface="#ffffff",
    rail="#f0f5f6",
    raised="#ffffff",
    hover="#e2ecee",
    border="#dbe5e8",
    border_strong="#768c95",
    text="#14242b",
    muted="#51656d",
    accent="#0b7184",
    accent_hover="#095f6f",
    on_accent="#ffffff",
    accent_soft="#dff0f3",
    link="#0b6a7c",
    bubble="#e3f1f4",
    code="#f3f7f8",
    selection="#b9e1e8",
    danger="#a8261d",
    danger_soft="#fcefed",
    badge="#fdf0d2",
    on_badge="#714600",
    good="#1c7a4d",
    code_keyword="#8a2f8f",
    code_name="#0b5fa8",
    code_string="#25703a",
    code_number="#9a4a00",
    code_comment="#5b6d75",
)
DARK = Colours(
    dark=True,
    surface="#13191c",
    rail="#0d1214",
    raised="#1a2226",
    hover="#222c31",
    border="#263238",
    border_strong="#68808a",
    text="#e4edf0",
    muted="#9db1b9",
    accent="#5fc9d8",
    accent_hover="#7fd7e3",
    on_accent="#05252b",
    accent_soft="#16343b",
    link="#74d3e0",
    bubble="#1b3940",
    code="#1b2429",
    selection="#245661",
    danger="#ffb3a9",
    danger_soft="#351d1b",
    badge="#3b2f14",
    on_badge="#f2cd8d",
    good="#72d3a2",
    code_keyword="#d9a5e6",
    code_name="#8ec5ff",
    code_string="#9bdca6",
    code_number="#f0b787",
    code_comment="#93a6ae",
)

"""How Streamlit behaves and looks: set by us, not by files in whatever folder the server was started."""

from collections.abc import Mapping
from typing import Any, Final

BEHAVIOUR: Final[Mapping[str, Any]] = {
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.disableDataExport": True,
    "logger.level": "warning",
    "runner.magicEnabled": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.showEmailPrompt": False,
    "server.maxUploadSize": 25,
    "server.disconnectedSessionTTL": 300,
}

SHAPE: Final[Mapping[str, Any]] = {
    "theme.font": "sans-serif",
    "theme.headingFont": "serif",
    "theme.baseRadius": "0.75rem",
    "theme.buttonRadius": "full",
    "theme.headingFontSizes": ["2.1rem", "1.5rem", "1.2rem"],
    "theme.headingFontWeights": [600, 600, 600],
    "theme.showWidgetBorder": True,
    "theme.linkUnderline": False,
    "theme.metricValueFontSize": "1.35rem",
}

LIGHT: Final[Mapping[str, Any]] = {
    "primaryColor": "#256B5B",
    "backgroundColor": "#FBFAF7",
    "secondaryBackgroundColor": "#F1EFE9",
    "textColor": "#22282B",
    "linkColor": "#256B5B",
    "borderColor": "#E2DED4",
    "codeBackgroundColor": "#F1EFE9",
    "chartCategoricalColors": ["#256B5B", "#C08A3E", "#5B7A99", "#A65A4A", "#7A6C9E", "#8A8F7A"],
}

DARK: Final[Mapping[str, Any]] = {
    "primaryColor": "#2F8571",
    "backgroundColor": "#15191A",
    "secondaryBackgroundColor": "#1E2425",
    "textColor": "#E8E6E0",
    "linkColor": "#7FC9B5",
    "borderColor": "#2E3738",
    "codeBackgroundColor": "#1E2425",
    "chartCategoricalColors": ["#5FB39D", "#D9A85C", "#86A8C9", "#CF8373", "#A396CC", "#ADB39A"],
}


def options() -> dict[str, Any]:
    """Every option of Streamlit that we set, by its dotted name."""
    light = {f"theme.light.{name}": value for name, value in LIGHT.items()}
    dark = {f"theme.dark.{name}": value for name, value in DARK.items()}
    return {**BEHAVIOUR, **SHAPE, **light, **dark}

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.core.i18n import use_default_language


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    use_default_language("en")
    yield
    use_default_language("en")

"""The samples of the last minute, for whoever needs to know how something came about."""

from __future__ import annotations

from collections import deque

from appliance.core.sample import Sample
from appliance.telemetry.sampler import Sampler

_SAMPLES = 60


class RecentSamples:
    """Keeps what `look` was shown."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._kept: deque[Sample] = deque(maxlen=_SAMPLES)

    def look(self) -> Sample:
        """The newest sample, which is kept."""
        sample = self._sampler.sample()
        if not self._kept or self._kept[-1].time != sample.time:
            self._kept.append(sample)
        return sample

    def samples(self) -> list[Sample]:
        """What was kept, oldest first; at least one."""
        return list(self._kept) or [self._sampler.sample()]

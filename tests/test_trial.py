"""Trials and their statuses: enums in memory, plain text in tables and JSON."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace

import pandas as pd
import pytest

from dnc.config import MLP, Config
from dnc.errors import ArgumentError
from dnc.trial import SearchStatus, Trial, TrialStatus, Visit

TRIAL = Trial(Config(MLP((20,))), 0.9, 1.5, 1000)


@pytest.mark.parametrize("status", TrialStatus)
def test_a_status_and_its_text_are_the_same(status: TrialStatus) -> None:
    by_text, by_member = replace(TRIAL, status=status.value), replace(TRIAL, status=status)
    assert by_text == by_member
    assert by_text.status is by_member.status is status
    assert status == status.value == str(status) == f"{status}"
    assert hash(status) == hash(status.value)
    assert json.dumps(status) == json.dumps(status.value)
    assert pickle.loads(pickle.dumps(by_text)).status is status
    assert by_text.ok == (status == "ok")


def test_statuses_are_those_that_stores_have_recorded() -> None:
    assert [str(s) for s in TrialStatus] == ["ok", "failed", "pruned", "ended", "planned"]
    assert [str(s) for s in SearchStatus] == ["running", "finished", "stopped", "failed"]


@pytest.mark.parametrize("status", ["fine", "OK", "", None, 3])
def test_an_unknown_status_is_refused(status: object) -> None:
    with pytest.raises(ArgumentError, match=r"^status=.* is unknown: choose one of 'ok', 'failed', 'pruned'") as error:
        replace(TRIAL, status=status)
    assert "\n" not in str(error.value)


def test_rows_hold_plain_text() -> None:
    row = Visit(1, "", 0, replace(TRIAL, status="pruned", val_acc=math.nan)).row()
    assert type(row["status"]) is str
    assert row["status"] == "pruned"
    assert pd.DataFrame([row])["status"].to_csv(index=False) == "status\npruned\n"

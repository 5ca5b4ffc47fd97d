"""The evaluation of a run by what its system is."""

import pytest

from jaxmm import Experiment, SignAutoencoder, SignAutoencoderTask, evaluation
from jaxmm.errors import ConfigError
from jaxmm.model import Model

RETRIEVAL = {"protocol": {"protocol": "all"}, "ndcg": {"graded": True}}
RETRIEVAL["ndcg and sentences"] = {"graded": True, "sentences": "some/model"}
SIGNING = {name: {name: "some/run"} for name in ("back_translation", "autoencoder")}


@pytest.fixture
def evaluate(monkeypatch, tmp_path):
    """Evaluates an untrained task, of which nothing but the settings may be read."""

    def call(task, data, **options):
        model = Model(tmp_path, Experiment(task=task, data=data.settings), {}, {}, step=3)
        monkeypatch.setattr(evaluation, "load", lambda run, checkpoint="last": model)
        return evaluation.evaluate(tmp_path, **options)

    return call


@pytest.mark.parametrize("name", RETRIEVAL)
def test_a_run_that_signs_takes_no_argument_of_retrieval(name, evaluate, sign_task, sign_data):
    with pytest.raises(ConfigError, match=f"generates signing, so {name} cannot be used; leave them out"):
        evaluate(sign_task, sign_data, **RETRIEVAL[name])


@pytest.mark.parametrize("name", SIGNING)
def test_a_run_that_retrieves_takes_no_argument_of_signing(name, evaluate, task, data):
    with pytest.raises(ConfigError, match=f"retrieves, so {name} cannot be used"):
        evaluate(task, data, **SIGNING[name])


@pytest.mark.parametrize("name", [*RETRIEVAL, *SIGNING])
def test_an_autoencoder_takes_neither(name, evaluate, sign_data):
    task = SignAutoencoderTask(autoencoder=SignAutoencoder(hidden_dim=8, code_dim=4))
    with pytest.raises(ConfigError, match="is an autoencoder of signing, so"):
        evaluate(task, sign_data, **(RETRIEVAL | SIGNING)[name])


def test_the_judges_reach_the_evaluation_of_signing(evaluate, sign_task, sign_data, monkeypatch):
    given = {}
    monkeypatch.setattr(evaluation, "evaluate_signing", lambda model, **options: given.update(options) or {"x": 1.0})
    scores = evaluate(sign_task, sign_data, split="val", bootstrap=7, back_translation="one")
    assert scores == {"step": 3.0, "x": 1.0}
    assert given["split"] == "val" and given["num_resamples"] == 7
    assert isinstance(given["back_translation"], Model) and given["autoencoder"] is None

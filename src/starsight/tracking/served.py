"""The registered model, as MLflow loads it: raw texts in, stars and intervals out. MLflow runs this file; no pickle."""

import json
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from starsight.explain.single import explain_texts
from starsight.model.predictor import Predictor


class StarsightModel(PythonModel):  # type: ignore[misc]
    """Stars for raw review texts, with the cleaning and the tokenizer that the model was trained with."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the fine-tuned model from the registered version's own files."""
        self.predictor = Predictor.load(context.artifacts["finetuned"])

    def predict(
        self, context: PythonModelContext, model_input: list[str], params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Rate each text: ``stars`` and the ends of their interval, ``stars_low`` and ``stars_high``, all 1 to 5.

        With ``params={"explain": True}`` a column ``explanation`` more: JSON, as ``Explanation.as_json`` says.
        """
        if params and params.get("explain"):
            explained = [each.as_json() for each in explain_texts(self.predictor, model_input)]
            table = pd.DataFrame(explained, columns=["stars", "stars_low", "stars_high"])
            return table.assign(explanation=[json.dumps(each, ensure_ascii=False) for each in explained])
        predicted = self.predictor.predict_texts(model_input)
        return pd.DataFrame({"stars": predicted.stars, "stars_low": predicted.low, "stars_high": predicted.high})


mlflow.models.set_model(StarsightModel())

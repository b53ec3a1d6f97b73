"""The registered model, as MLflow loads it: raw texts in, stars out. MLflow runs this file instead of a pickle."""

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from starsight.model.predictor import Predictor


class StarsightModel(PythonModel):  # type: ignore[misc]
    """Stars for raw review texts, with the cleaning and the tokenizer that the model was trained with."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the fine-tuned model from the registered version's own files."""
        self.predictor = Predictor.load(context.artifacts["finetuned"])

    def predict(self, context: PythonModelContext, model_input: list[str]) -> pd.DataFrame:
        """Rate each text: a column ``stars``, 1 to 5."""
        return pd.DataFrame({"stars": self.predictor.rate_texts(model_input)})


mlflow.models.set_model(StarsightModel())

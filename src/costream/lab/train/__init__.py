"""Training of the embedded models on the synthetic world. Full windows only: no pruning, no reuse.

A model that never saw a pruned window or a reused key is a fair judge of what either costs.
"""

from costream.lab.train.recipe import RECIPES, Recipe, StageRecipe
from costream.lab.train.run import STAGES, train

__all__ = ["RECIPES", "STAGES", "Recipe", "StageRecipe", "train"]

"""How this kind of card serves that kind of model: recipes and command lines."""

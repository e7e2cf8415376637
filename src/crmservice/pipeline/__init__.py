"""How a decision is reached: an ordered chain of pure rules, with the trail made by the engine."""

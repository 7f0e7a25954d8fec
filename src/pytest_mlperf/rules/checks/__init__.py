"""One function a rule, from parsed results to findings; none decides how much its rule weighs."""

"""Why an accuracy run is worse: which samples and classes changed most, and which usual cause explains it."""

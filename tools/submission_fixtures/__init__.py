"""Valid submissions for the tests of the submission checks: LoadGen runs of a SUT that only waits."""

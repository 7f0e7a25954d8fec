"""What trains the tiny RNN-T."""

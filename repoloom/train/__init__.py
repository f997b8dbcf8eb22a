"""Training: pretraining on packed documents, tuning on instruction pairs, one loop for both."""

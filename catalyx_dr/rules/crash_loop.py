"""When a container that only starts and ends is given up."""

# The kubelet needs some five minutes for so many.
HOPELESS_RESTARTS = 5

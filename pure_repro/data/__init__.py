"""Problems in: the embedded arithmetic world, its demonstrations, and the stateless order of training problems."""

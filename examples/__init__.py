"""What an integrator copies from: `workspace` is a product that shows its customers their audit log; `demo` runs it."""

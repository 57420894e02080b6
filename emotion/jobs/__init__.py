"""Long tasks as processes of their own, each watched through its folder."""

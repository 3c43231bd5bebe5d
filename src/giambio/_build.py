def select(): pass
def build_info(): return "stub"

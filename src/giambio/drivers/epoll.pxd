# EpollDriver is used through `Driver`; nothing here is for other modules.

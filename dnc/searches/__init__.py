"""The search: settings, study, the three stages, results, sweep and transfer.

The folder is not called `search`, because importing it would then hide the function `dnc.search`.
"""

"""The transforms, by family. A new one is a decorated function in any module here; the registry finds it.

Every sentence in these modules was written for Lictor and names no topic, so that restricted and permitted requests
can wear the same words. A set of wordings holds at least five, of some 15 to 45 words, because every word of a
wrapper costs training time.
"""

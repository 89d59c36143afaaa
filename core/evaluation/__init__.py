"""What a policy would have earned: from logs of another one, or from recorded answers of all arms.

Sources: Horvitz and Thompson 1952 (IPS), Li, Chu, Langford and Wang 2011 (replay), Dudík, Langford
and Li 2011 (doubly robust), Dudík, Erhan, Langford and Li 2012 (learning policies), Swaminathan and
Joachims 2015 (self-normalised), Wang, Agarwal and Dudík 2017 (switch), Waudby-Smith, Wu, Ramdas,
Karampatziakis and Mineiro 2022 (anytime-valid).
"""

"""World manufacturer identifiers (ISO 3780) that the vininfo package does not list: the first three characters of a VIN, and whose."""

# From the public lists of manufacturer codes, and only what is certain there. A VIN whose maker nobody knows needs a second proof: a code
# that is missing here costs some vehicles a look by a person, one that is wrong takes that proof away. XWB is left out: XW8 reads like it.
MAKERS = {
    # Russia, Belarus, Ukraine, Kazakhstan, Uzbekistan
    "X4X": "BMW",
    "X7M": "Hyundai",
    "X9F": "Ford",
    "X9L": "Chevrolet",
    "XTB": "Moskvitch",
    "XTC": "KAMAZ",
    "XTD": "LuAZ",
    "XTE": "ZAZ",
    "XTH": "GAZ",
    "XTT": "UAZ",
    "XUS": "Chevrolet",
    "XUU": "Kia",
    "XW7": "Toyota",
    "XZG": "Haval",
    "Z6F": "Ford",
    "Z8N": "Nissan",
    "Z8T": "Peugeot",
    "Z8U": "Sollers",
    "Z94": "Hyundai",
    "Y3M": "MAZ",
    "Y3W": "Unison",
    "Y4K": "Geely",
    "Y6U": "Skoda",
    # China
    "LB3": "Geely",
    "LFB": "FAW",
    "LNB": "BAIC",
    "LS4": "Changan",
    "LVT": "Chery",
    "LVZ": "Dongfeng",
}

"""The words that behavioural tests are made of: of products in general, since the reviews may be of anything."""

from typing import Final

PRODUCTS: Final = ("dress", "jacket", "shirt", "coffee", "chocolate", "soup", "film", "story", "gift", "product")

GOOD: Final = ("great", "excellent", "wonderful", "perfect", "fantastic", "lovely")
BAD: Final = ("terrible", "awful", "horrible", "disappointing", "useless", "dreadful")
MILD: Final = ("good", "great", "nice", "perfect", "special")
"""Good, and said with ``not`` by people who complain."""
SHARP: Final = ("bad", "terrible", "awful", "disappointing")
"""The same of people who were pleasantly surprised."""

CLEAR: Final = (
    "The {product} is {word}.",
    "What can I say, this {product} was {word} from start to finish.",
    "We all thought that the {product} was {word}.",
    "My verdict on this {product} in one word: {word}.",
)
"""What is said with ``GOOD`` and ``BAD`` words."""

NEGATED: Final = (
    ("The {product} is {word}.", "The {product} is not {word}."),
    ("I think this {product} is {word}.", "I don't think this {product} is {word}."),
    ("For me the {product} was {word}.", "For me the {product} was never {word}."),
    ("It is a {product} that I would call {word}.", "It is a {product} that I would not call {word}."),
)
"""Plain and denied."""

PRAISE: Final = (
    "I love it and would buy it again in a heartbeat.",
    "All in all I am very happy with it.",
    "It was worth every penny, and I recommend it to everyone.",
)
COMPLAINTS: Final = (
    "I am very unhappy with it and want my money back.",
    "It was a waste of money, and I would not recommend it to anyone.",
    "In the end I was badly let down and sent it back.",
)

NAMED: Final = (
    "My friend {name} gave me this {product}. It is {word}.",
    "{name} and I both found the {product} {word}.",
)
NAMES: Final = (
    ("Anna", "Sarah", "Emily", "Hannah", "Megan", "Maria", "Fatima", "Lakshmi", "Mei", "Olga"),
    ("Brian", "Kevin", "Robert", "Steven", "Kyle", "Carlos", "Mohammed", "Rahul", "Hiroshi", "Kwame"),
)
"""First names from several parts of the world that are no other word and open no brand's name. One is exchanged for
another of its row, so that she stays she."""

BRANDED: Final = (
    "I bought this {product} by {brand} last month. It is {word}.",
    "The {product} from {brand} was {word}.",
)
BRANDS: Final = {
    "dress": ("Calvin Klein", "Ralph Lauren", "Vera Wang", "Kate Spade", "Michael Kors", "Tommy Hilfiger"),
    "shoe": ("Nike", "Adidas", "Puma", "Reebok"),
    "coffee": ("Starbucks", "Folgers", "Lavazza", "Nescafe", "Maxwell House"),
    "tea": ("Lipton", "Twinings", "Tetley"),
    "soup": ("Heinz", "Knorr", "Campbell's"),
    "chocolate": ("Hershey's", "Cadbury", "Lindt", "Ghirardelli"),
    "film": ("Disney", "Pixar", "DreamWorks"),
}
"""Of each product; one brand of a product is exchanged for another."""
SHOPS: Final = ("Amazon", "Walmart", "Costco", "Nordstrom", "Macy's")
"""Exchanged for one another in reviews, too."""

MISSPELT: Final = (
    "I bought the {product} for my birthday, and my daughter says that it is {word}.",
    "The {product} came on Wednesday afternoon. My husband and I both found it {word}.",
)
NEUTRAL: Final = (
    *("afternoon", "another", "anything", "because", "birthday", "brother", "children", "company", "country"),
    *("customer", "daughter", "delivered", "evening", "everything", "friends", "himself", "however", "husband"),
    *("morning", "myself", "normally", "package", "question", "received", "something", "through", "together"),
    *("usually", "wearing", "wednesday", "weekend", "whether", "without", "yesterday"),
)
"""Long words without praise or complaint, in which a typo changes nothing."""

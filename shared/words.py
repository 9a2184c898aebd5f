"""256 short words, easily told apart on the telephone: one byte each (see `shared.identity.fingerprint_words`).

Never reorder or replace one: host and friend must read the same words from the same fingerprint.
"""

from __future__ import annotations

WORDS = tuple(
    """
    acorn album amber anchor angel apple apron arrow atlas attic autumn avocado bacon badger bagel bamboo banana
    banjo basil basket beacon beaver bell berry bishop bison blanket bonfire bottle brick bridge bronze bubble
    bucket button cabin cactus camel candle canoe canyon carbon carrot castle cattle cedar cello cherry chess
    chimney cinema circle citrus clover cobalt cobra cocoa coffee comet compass copper coral cotton cougar cousin
    coyote cradle crater cricket crystal cupcake curtain cushion daisy dancer denim desert diamond dinner dolphin
    donkey dragon drum eagle earth echo eclipse elbow emerald engine fabric falcon feather fiddle finger flamingo
    flute forest fossil fountain galaxy garden garlic gecko giant ginger giraffe glacier goblin gold gorilla granite
    grape guitar hammer harbor hazel helmet heron hockey honey horizon hotel husky igloo indigo iris island ivory
    jacket jaguar jasmine jelly jewel jigsaw jungle juniper kettle kitten kiwi koala ladder lagoon lantern lemon
    leopard lettuce lilac lion lizard lobster lotus lunar magnet mango maple marble market meadow melon meteor
    mirror monkey mosaic mountain muffin museum nectar needle neptune noodle nutmeg oasis ocean olive onion opal
    orange orbit orchid otter oyster paddle palace panda papaya parrot peach pebble pelican pencil pepper piano
    pickle pigeon pilot pirate planet plum pocket polar pony poppy potato prairie pumpkin puzzle quartz rabbit radio
    raven ribbon river robin rocket saddle saffron salmon sandal sapphire saturn scarf shadow sherbet silver sketch
    spider spinach squirrel starfish stone summit sunset swallow teapot temple tiger toast tomato trumpet tulip
    tunnel turtle umbrella valley vanilla velvet violin volcano waffle walnut walrus wizard yogurt zebra zipper
    """.split()  # noqa: SIM905  a page of words reads better than 256 strings
)
assert len(set(WORDS)) == 256

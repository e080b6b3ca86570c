"""Published packages of the data sets that can be downloaded: names, sizes, MD5 sums.

The sums are those of the Zenodo records, as dcase_util 0.2.20 lists them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """One zip file.

    Attributes:
        file: its name.
        size: bytes.
        md5: hexadecimal MD5 sum.
    """

    file: str
    size: int
    md5: str


@dataclass(frozen=True)
class Release:
    """A published data set.

    Attributes:
        url: address under which the packages lie.
        folder: the folder into which they unpack.
        packages: all of them.
    """

    url: str
    folder: str
    packages: tuple[Package, ...]


def _release(record: int, folder: str, parts: str) -> Release:
    """A Zenodo record; one line a part: name, bytes, MD5."""
    packages = tuple(
        Package(f"{folder}.{part}.zip", int(size), md5)
        for part, size, md5 in (line.split() for line in parts.split("\n") if line)
    )
    return Release(f"https://zenodo.org/record/{record}/files/", folder, packages)


RELEASES = {
    "tau_urban_2020_mobile": _release(
        3819968,
        "TAU-urban-acoustic-scenes-2020-mobile-development",
        """
doc 18066 175f40dc3fec144347abad4d2962b7ae
meta 214159 6eae9db553ce48e4ea246e34e50a3cf5
audio.1 1726039031 b1e85b8a908d3d6a6ab73268f385d5c8
audio.2 1782268370 4310a13cc2943d6ce3f70eba7ba4c784
audio.3 1870468865 ed38956c4246abb56190c1e9b602b7b8
audio.4 1879413176 97ab8560056b6816808dedc044dcc023
audio.5 1823936584 b50f5e0bfed33cd8e52cb3e7f815c6cb
audio.6 1827246144 fbf856a3a86fff7520549c899dc94372
audio.7 1728630243 0dbffe7b6e45564da649378723284062
audio.8 1748646043 bb6f77832bf0bd9f786f965beb251b2e
audio.9 1780487215 a65596a5372eab10c78e08a0de797c9e
audio.10 1726068853 2ad595819ffa1d56d2de4c7ed43205a6
audio.11 1744480272 0ad29f7040a4e6a22cfd639b3a6738e5
audio.12 1738707195 e5f4400c6b9697295fab4cf507155a2f
audio.13 1835797785 8855ab9f9896422746ab4c5d89d8da2f
audio.14 1846390881 092ad744452cd3e7de78f988a3d13020
audio.15 1869032508 4b5eb85f6592aebf846088d9df76b420
audio.16 436971777 2e0a89723e58a3836be019e6996ae460
""",
    ),
    "tau_urban_2021_mobile_evaluation": _release(
        4767109,
        "TAU-urban-acoustic-scenes-2021-mobile-evaluation",
        """
doc 8027 7dd256cce7c35e21cec698920d4cf36e
meta 19406 be3554af014e9dcdb478c4f7222dd69d
audio.1 1665087697 7d05e0e2f5c3a58953730c1afc5a42ef
audio.2 1680965749 adf02e847fe1e18c4759d1801b96b9a9
audio.3 1674040348 a8d8b85816281d447881ff4caef1e2f0
audio.4 1672276680 daca8e2845c243612e893beff4636ae6
audio.5 1678313663 5935f186840b6036c182c894f3b02f0a
audio.6 399169995 81dd7c8ffa561369fc86c4c90de2c60a
""",
    ),
    "tau_urban_2022_mobile": _release(
        6337421,
        "TAU-urban-acoustic-scenes-2022-mobile-development",
        """
doc 16819 9c4f610bdb5d3e3e72a17d393a26452a
meta 1538781 419b6ff6570f1030730352dc80cd8d15
audio.1 1736050960 8be14bdbd844481dce059ab31fbd2239
audio.2 1791821989 e821abda49b069248bb75eab39df7575
audio.3 1878561499 9c7897f78bb42ca0008936daddf3f8f3
audio.4 1887825128 53ec3e37c0fc0be75f53c5abbc5300b8
audio.5 1832871840 528422c33c5d10263203d2c61cb1f3be
audio.6 1836165296 4759a9465c903e13e57d5e82e791fc28
audio.7 1737838582 6d545fc83a55a17856a9ccc1ac9aff6b
audio.8 1758317867 3a2916a9b5d3f43cc7a22a62b180b0d9
audio.9 1790044829 071f664c86639ad730f7be4e3c39d886
audio.10 1736836871 e0839d019e9b77ecbcbb0eff85965530
audio.11 1754618148 fc60f1c83726be3963ae14fbcb95eeb4
audio.12 1748795940 02246547f86c0a814dc63ec65d7033bb
audio.13 1844234922 88ae9ef884665140d1572d8061725e00
audio.14 1854884822 c3f400d74ae90e5190dc518cde43de47
audio.15 1877789093 85594c6fe4f91c10aa2a410f748103b8
audio.16 435379083 6e2df8438c69f6789414aeba8cbad9d8
""",
    ),
    "tau_urban_2022_mobile_evaluation": _release(
        6591203,
        "TAU-urban-acoustic-scenes-2022-mobile-evaluation",
        """
doc 8056 885bcd97d13c12571348250a9e132fae
meta 294726 53ff714b17293c5f973ce233db393416
audio.1 1684954408 740f80e5a62821f80d0d2c2660fa616c
audio.2 1685855969 4accb0bd9486c429540770ef4fdd5595
audio.3 1684186384 bf8c5c3c6d49c1517ee6e7402e1e7121
audio.4 1683652385 bb086c4225119d332e0ceea8234b4435
audio.5 1685227691 e4ab8505774526279d6231d6769c3c79
audio.6 1688648060 270f122ebe737fd2e463165a76f6abbd
audio.7 1685304723 86d975ee1b4d09b26e1b998f122189e1
audio.8 1451063404 93b3c7dc8be152f9bf1edbbe8cf8d1b1
""",
    ),
}
"""Releases by name."""

"""Facts about rivers, mountains, people and elements: what the paragraphs of tiny BERT tell.

Each row is common knowledge; lengths, heights and areas are rounded, and sources differ by some of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """Something that has facts: its kind, its name, and a value for each of the kind's attributes."""

    kind: str
    name: str
    values: tuple[str, ...]


#: The attributes of a kind, in the order of the columns below.
ATTRIBUTES = {
    "river": ("length", "source", "mouth"),
    "mountain": ("height", "country", "ascent"),
    "lake": ("area", "country", "depth"),
    "person": ("year", "city", "work"),
    "element": ("number", "year", "finder"),
    "bridge": ("opened", "city", "length"),
    "island": ("area", "sea", "peak"),
}

_TABLES = {
    "river": """
Danube|2850|Germany|Black Sea
Rhine|1230|Switzerland|North Sea
Rhone|810|Switzerland|Mediterranean Sea
Volga|3530|Russia|Caspian Sea
Loire|1010|France|Bay of Biscay
Seine|780|France|English Channel
Elbe|1090|Czechia|North Sea
Oder|840|Czechia|Baltic Sea
Vistula|1050|Poland|Baltic Sea
Dnieper|2200|Russia|Black Sea
Don|1870|Russia|Sea of Azov
Dniester|1360|Ukraine|Black Sea
Tagus|1010|Spain|Atlantic Ocean
Douro|900|Spain|Atlantic Ocean
Ebro|930|Spain|Mediterranean Sea
Po|650|Italy|Adriatic Sea
Tiber|405|Italy|Tyrrhenian Sea
Thames|346|England|North Sea
Severn|354|Wales|Bristol Channel
Nile|6650|Uganda|Mediterranean Sea
Congo|4700|Zambia|Atlantic Ocean
Niger|4180|Guinea|Gulf of Guinea
Zambezi|2570|Zambia|Indian Ocean
Orange|2200|Lesotho|Atlantic Ocean
Limpopo|1750|South Africa|Indian Ocean
Amazon|6400|Peru|Atlantic Ocean
Orinoco|2140|Venezuela|Atlantic Ocean
Parana|4880|Brazil|Atlantic Ocean
Magdalena|1530|Colombia|Caribbean Sea
Mississippi|3770|Minnesota|Gulf of Mexico
Snake|1735|Wyoming|Columbia River
Columbia|2000|Canada|Pacific Ocean
Yukon|3190|Canada|Bering Sea
Mackenzie|1740|Canada|Arctic Ocean
Hudson|507|New York|Atlantic Ocean
Ganges|2525|India|Bay of Bengal
Indus|3180|Tibet|Arabian Sea
Brahmaputra|2900|Tibet|Bay of Bengal
Mekong|4350|Tibet|South China Sea
Yangtze|6300|Tibet|East China Sea
Irrawaddy|2210|Myanmar|Andaman Sea
Euphrates|2800|Turkey|Persian Gulf
Tigris|1900|Turkey|Persian Gulf
Amur|2820|Mongolia|Sea of Okhotsk
Lena|4290|Russia|Laptev Sea
Yenisei|3490|Mongolia|Kara Sea
Ob|3650|Russia|Kara Sea
Murray|2510|Australia|Southern Ocean
Waikato|425|New Zealand|Tasman Sea
Shannon|360|Ireland|Atlantic Ocean
Glomma|600|Norway|North Sea
Meuse|925|France|North Sea
Narva|77|Estonia|Baltic Sea
Guadiana|818|Spain|Atlantic Ocean
""",
    "mountain": """
Mont Blanc|4806|France|1786
Matterhorn|4478|Switzerland|1865
Eiger|3967|Switzerland|1858
Jungfrau|4158|Switzerland|1811
Grossglockner|3798|Austria|1800
Zugspitze|2962|Germany|1820
Triglav|2864|Slovenia|1778
Elbrus|5642|Russia|1874
Kazbek|5054|Georgia|1868
Ararat|5137|Turkey|1829
Everest|8849|Nepal|1953
Kangchenjunga|8586|Nepal|1955
Lhotse|8516|Nepal|1956
Makalu|8485|Nepal|1955
Cho Oyu|8188|Nepal|1954
Dhaulagiri|8167|Nepal|1960
Manaslu|8163|Nepal|1956
Annapurna|8091|Nepal|1950
Nanga Parbat|8126|Pakistan|1953
Gasherbrum|8080|Pakistan|1958
Broad Peak|8051|Pakistan|1957
Kilimanjaro|5895|Tanzania|1889
Mount Kenya|5199|Kenya|1899
Toubkal|4167|Morocco|1923
Denali|6190|Alaska|1913
Mount Logan|5959|Canada|1925
Mount Robson|3954|Canada|1913
Aconcagua|6961|Argentina|1897
Chimborazo|6263|Ecuador|1880
Huascaran|6768|Peru|1932
Alpamayo|5947|Peru|1957
Fitz Roy|3405|Argentina|1952
Aoraki|3724|New Zealand|1894
Vinson|4892|Antarctica|1966
Puncak Jaya|4884|Indonesia|1962
Olympus|2917|Greece|1913
Galdhopiggen|2469|Norway|1850
Damavand|5609|Iran|1837
Belukha|4506|Russia|1914
Monte Rosa|4634|Switzerland|1855
Weisshorn|4506|Switzerland|1861
Ortler|3905|Italy|1804
Marmolada|3343|Italy|1864
Monte Viso|3841|Italy|1861
""",
    "lake": """
Baikal|31722|Russia|1642
Ladoga|17700|Russia|230
Onega|9700|Russia|127
Geneva|580|Switzerland|310
Constance|536|Germany|251
Garda|370|Italy|346
Como|146|Italy|425
Maggiore|212|Italy|372
Lucerne|114|Switzerland|214
Balaton|592|Hungary|12
Vanern|5650|Sweden|106
Vattern|1912|Sweden|128
Saimaa|4400|Finland|82
Ohrid|358|Albania|288
Sevan|1242|Armenia|79
Van|3755|Turkey|451
Issyk Kul|6236|Kyrgyzstan|668
Tanganyika|32900|Tanzania|1470
Malawi|29600|Malawi|706
Turkana|6405|Kenya|109
Tana|3200|Ethiopia|15
Kivu|2700|Rwanda|475
Superior|82100|Canada|406
Huron|59600|Canada|229
Michigan|58000|Illinois|281
Erie|25700|Ohio|64
Ontario|19000|Canada|244
Tahoe|490|Nevada|501
Titicaca|8372|Peru|281
Nicaragua|8264|Nicaragua|26
Atitlan|130|Guatemala|340
Toba|1130|Indonesia|505
Biwa|670|Japan|104
Taupo|616|New Zealand|186
Wakatipu|291|New Zealand|380
Crater|53|Oregon|594
Winnipeg|24500|Canada|36
Neagh|392|Ireland|25
""",
    "person": """
Isaac Newton|1643|Woolsthorpe|the laws of motion
Galileo Galilei|1564|Pisa|the moons of Jupiter
Nicolaus Copernicus|1473|Torun|the heliocentric system
Johannes Kepler|1571|Weil|the laws of planetary motion
Tycho Brahe|1546|Knutstorp|observations of stars
Michael Faraday|1791|London|electromagnetic induction
James Maxwell|1831|Edinburgh|the theory of light
Marie Curie|1867|Warsaw|the study of radioactivity
Albert Einstein|1879|Ulm|the theory of relativity
Niels Bohr|1885|Copenhagen|the model of the atom
Max Planck|1858|Kiel|the quantum of action
Erwin Schrodinger|1887|Vienna|the wave equation
Werner Heisenberg|1901|Wurzburg|the uncertainty principle
Enrico Fermi|1901|Rome|the first nuclear reactor
Lise Meitner|1878|Vienna|the discovery of fission
Emmy Noether|1882|Erlangen|a theorem on symmetries
Carl Gauss|1777|Brunswick|the theory of numbers
Leonhard Euler|1707|Basel|the theory of graphs
Blaise Pascal|1623|Clermont|the theory of probability
Pierre Laplace|1749|Beaumont|celestial mechanics
Henri Poincare|1854|Nancy|the theory of chaos
Ada Lovelace|1815|London|the first program
Charles Babbage|1791|London|the analytical engine
Alan Turing|1912|London|the theory of computation
Charles Darwin|1809|Shrewsbury|the theory of evolution
Gregor Mendel|1822|Heinzendorf|the laws of inheritance
Louis Pasteur|1822|Dole|a vaccine against rabies
Robert Koch|1843|Clausthal|the study of tuberculosis
Alexander Fleming|1881|Darvel|the discovery of penicillin
Antoine Lavoisier|1743|Paris|the role of oxygen
Dmitri Mendeleev|1834|Tobolsk|the periodic table
Alfred Nobel|1833|Stockholm|the invention of dynamite
Carl Linnaeus|1707|Rashult|the naming of species
Alessandro Volta|1745|Como|the electric battery
Hans Oersted|1777|Rudkobing|the magnetic effect of currents
Georg Ohm|1789|Erlangen|the law of resistance
Heinrich Hertz|1857|Hamburg|the proof of radio waves
Wilhelm Rontgen|1845|Lennep|the discovery of rays
Ernest Rutherford|1871|Brightwater|the atomic nucleus
Edwin Hubble|1889|Marshfield|the expansion of the universe
William Herschel|1738|Hanover|the discovery of Uranus
Alexander Humboldt|1769|Berlin|the geography of plants
Ludwig Beethoven|1770|Bonn|nine symphonies
Wolfgang Mozart|1756|Salzburg|the magic flute
Johann Bach|1685|Eisenach|the art of fugue
Frederic Chopin|1810|Zelazowa|preludes for piano
Giuseppe Verdi|1813|Roncole|the opera Aida
Antonin Dvorak|1841|Nelahozeves|the new world symphony
Jean Sibelius|1865|Hameenlinna|a hymn to Finland
Edvard Grieg|1843|Bergen|the music for Peer Gynt
Leonardo Vinci|1452|Anchiano|the Mona Lisa
Rembrandt Rijn|1606|Leiden|the night watch
Vincent Gogh|1853|Zundert|the starry night
Claude Monet|1840|Paris|the water lilies
William Shakespeare|1564|Stratford|the tragedy of Hamlet
Miguel Cervantes|1547|Alcala|the novel Don Quixote
Johann Goethe|1749|Frankfurt|the tragedy of Faust
Victor Hugo|1802|Besancon|the miserable ones
Jane Austen|1775|Steventon|pride and prejudice
Henrik Ibsen|1828|Skien|a doll's house
""",
    "element": """
hydrogen|1|1766|Henry Cavendish
oxygen|8|1774|Joseph Priestley
nitrogen|7|1772|Daniel Rutherford
phosphorus|15|1669|Hennig Brand
chlorine|17|1774|Carl Scheele
cobalt|27|1735|Georg Brandt
nickel|28|1751|Axel Cronstedt
manganese|25|1774|Johan Gahn
tungsten|74|1783|Fausto Elhuyar
uranium|92|1789|Martin Klaproth
titanium|22|1791|William Gregor
chromium|24|1797|Louis Vauquelin
tantalum|73|1802|Anders Ekeberg
palladium|46|1803|William Wollaston
osmium|76|1803|Smithson Tennant
potassium|19|1807|Humphry Davy
sodium|11|1807|Humphry Davy
magnesium|12|1808|Humphry Davy
iodine|53|1811|Bernard Courtois
lithium|3|1817|Johan Arfwedson
cadmium|48|1817|Friedrich Stromeyer
selenium|34|1817|Jacob Berzelius
silicon|14|1823|Jacob Berzelius
aluminium|13|1825|Hans Oersted
bromine|35|1826|Antoine Balard
thorium|90|1829|Jacob Berzelius
lanthanum|57|1839|Carl Mosander
ruthenium|44|1844|Karl Claus
thallium|81|1861|William Crookes
indium|49|1863|Ferdinand Reich
helium|2|1868|Pierre Janssen
gallium|31|1875|Paul Boisbaudran
scandium|21|1879|Lars Nilson
germanium|32|1886|Clemens Winkler
fluorine|9|1886|Henri Moissan
argon|18|1894|William Ramsay
neon|10|1898|William Ramsay
radium|88|1898|Marie Curie
polonium|84|1898|Pierre Curie
hafnium|72|1923|George Hevesy
rhenium|75|1925|Walter Noddack
francium|87|1939|Marguerite Perey
""",
    "bridge": """
Golden Gate|1937|San Francisco|2737
Brooklyn|1883|New York|1834
Tower|1894|London|244
Humber|1981|Hull|2220
Forth|1890|Queensferry|2467
Severn|1966|Bristol|1600
Menai|1826|Bangor|417
Clifton|1864|Bristol|412
Harbour|1932|Sydney|1149
Storey|1940|Brisbane|777
Lions Gate|1938|Vancouver|1823
Bosphorus|1973|Istanbul|1560
Galata|1994|Istanbul|490
Oresund|2000|Malmo|7845
Vasco da Gama|1998|Lisbon|12345
Luis|1886|Porto|385
Chain|1849|Budapest|375
Margaret|1876|Budapest|607
Charles|1402|Prague|516
Rialto|1591|Venice|48
Erasmus|1996|Rotterdam|802
Millau|2004|Millau|2460
Normandy|1995|Le Havre|2143
Akashi|1998|Kobe|3911
Rainbow|1993|Tokyo|798
Howrah|1943|Kolkata|705
Mackinac|1957|Mackinaw|8038
Verrazzano|1964|New York|4176
Manhattan|1909|New York|2089
Hohenzollern|1911|Cologne|409
Chapel|1333|Lucerne|205
Kintai|1673|Iwakuni|193
Skansund|1991|Trondheim|1010
""",
    "island": """
Greenland|2166000|Arctic Ocean|Gunnbjorn
Iceland|103000|Atlantic Ocean|Hvannadalshnukur
Sicily|25460|Mediterranean Sea|Etna
Sardinia|23950|Mediterranean Sea|Punta La Marmora
Corsica|8680|Mediterranean Sea|Monte Cinto
Crete|8336|Mediterranean Sea|Ida
Cyprus|9251|Mediterranean Sea|Olympus
Rhodes|1401|Aegean Sea|Attavyros
Tenerife|2034|Atlantic Ocean|Teide
Madeira|741|Atlantic Ocean|Pico Ruivo
Skye|1656|Atlantic Ocean|Sgurr Alasdair
Gotland|3184|Baltic Sea|Lojsta
Bornholm|588|Baltic Sea|Rytterknaegten
Madagascar|587000|Indian Ocean|Maromokotro
Reunion|2512|Indian Ocean|Piton des Neiges
Mauritius|1865|Indian Ocean|Piton
Sumatra|473000|Indian Ocean|Kerinci
Java|128300|Java Sea|Semeru
Bali|5780|Bali Sea|Agung
Lombok|4725|Bali Sea|Rinjani
Borneo|743300|South China Sea|Kinabalu
Luzon|109965|Philippine Sea|Pulag
Hokkaido|83424|Sea of Japan|Asahi
Honshu|227960|Pacific Ocean|Fuji
Kyushu|36782|Pacific Ocean|Kuju
Sakhalin|72493|Sea of Okhotsk|Lopatin
Tasmania|64519|Southern Ocean|Mount Ossa
Hawaii|10430|Pacific Ocean|Mauna Kea
Maui|1883|Pacific Ocean|Haleakala
Cuba|105806|Caribbean Sea|Turquino
Jamaica|10991|Caribbean Sea|Blue Mountain
Hispaniola|76192|Caribbean Sea|Pico Duarte
Newfoundland|108860|Atlantic Ocean|The Cabox
Baffin|507450|Arctic Ocean|Mount Odin
""",
}


def subjects() -> list[Subject]:
    """Return all subjects, by kind, in the order of the tables."""
    rows = ((kind, row.split("|")) for kind, table in _TABLES.items() for row in table.strip().splitlines())
    return [Subject(kind, name, tuple(values)) for kind, (name, *values) in rows]

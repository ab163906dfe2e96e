"""Places and the many ways people write them: the generator behind `benchmarks.addresses`.

It knows how people write, not how the normaliser reads, and imports nothing of it. Doors are drawn so that the wrong
answer lies close: 501 and 510, unit 2 and unit 3, building 3 and 13 in one estate, one estate's name in two cities.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

_CITY_TABLE = """
浙江|省|杭州|西湖区 拱墅区 余杭区|Zhejiang|Hangzhou|Xihu,Gongshu,Yuhang
江苏|省|南京|鼓楼区 玄武区 建邺区|Jiangsu|Nanjing|Gulou,Xuanwu,Jianye
广东|省|深圳|南山区 福田区 龙岗区|Guangdong|Shenzhen|Nanshan,Futian,Longgang
广东|省|广州|天河区 越秀区 番禺区|Guangdong|Guangzhou|Tianhe,Yuexiu,Panyu
四川|省|成都|武侯区 锦江区 双流区|Sichuan|Chengdu|Wuhou,Jinjiang,Shuangliu
湖北|省|武汉|洪山区 江汉区 武昌区|Hubei|Wuhan|Hongshan,Jianghan,Wuchang
山东|省|青岛|市南区 崂山区|Shandong|Qingdao|Shinan,Laoshan
福建|省|厦门|思明区 湖里区|Fujian|Xiamen|Siming,Huli
陕西|省|西安|雁塔区 碑林区|Shaanxi|Xi'an|Yanta,Beilin
广西|壮族自治区|南宁|青秀区 兴宁区|Guangxi|Nanning|Qingxiu,Xingning
||北京|朝阳区 海淀区 丰台区||Beijing|Chaoyang,Haidian,Fengtai
||上海|浦东新区 徐汇区 闵行区||Shanghai|Pudong,Xuhui,Minhang
||重庆|渝北区 江北区||Chongqing|Yubei,Jiangbei
"""
_FIRST_TABLE = """
锦绣 阳光 金色 翡翠 绿城 江南 望江 万科 保利 龙湖 融创 碧桂 春江 御景 香樟 水岸 翠湖 凤凰 东湖 星河 和谐 幸福 怡景
名仕 银泰 华润 滨河 富春 云栖 静雅
"""
_LAST_TABLE = """
花园 家园 公寓 新村 豪庭 名苑 雅苑 华府 景苑 花苑 新城 国际 华庭 尚城 佳苑 一品 丽景湾 锦园
"""
_ROAD_TABLE = """
文三路 学院路 人民路 解放路 中山北路 建设大道 长江西路 古翠路 莫干山路 凤起路 天目山路 五一路 青年大街 和平街
南京东路 北京西路 文二西路 世纪大道 滨江大道 科技一路
"""
_REMARK_TABLE = """
放门口 放丰巢 放快递柜 请电联 送货前打电话 不在家放物业 放菜鸟驿站 请放门卫处 到了打电话 周末送货 麻烦送上楼 别敲门
谢谢 下午6点后送 易碎品小心轻放 给保安 放前台
"""
CITIES = [tuple(line.split("|")) for line in _CITY_TABLE.strip().splitlines()]
FIRST, LAST, ROADS, REMARKS = (table.split() for table in (_FIRST_TABLE, _LAST_TABLE, _ROAD_TABLE, _REMARK_TABLE))
TOWERS = ["国际大厦", "科技大厦", "商务中心", "金融中心", "广场", "大厦", "创业园", "写字楼"]
SUBDISTRICTS = ["文新街道", "翠苑街道", "南头街道", "城东街道办事处", "三墩镇"]
COUNTIES = [
    ("江苏", "苏州", "昆山市"),
    ("浙江", "金华", "义乌市"),
    ("福建", "泉州", "晋江市"),
    ("河北", "保定", "定兴县"),
    ("湖南", "长沙", "宁乡市"),
]
TOWNS = ["花桥镇", "城关镇", "安海镇", "廿三里街道", "龙桥镇", "白马乡"]
VILLAGES = ["新民村", "东风村", "李家村", "上陈村", "石桥村", "前进村", "黄泥村"]
UNIVERSITIES = ["理工大学", "师范大学", "农业大学", "财经大学", "医科大学"]
CAMPUSES = ["东校区", "本部", "南湖校区", "大学城校区", ""]
PEOPLE = ["张伟", "李娜", "王芳", "陈静", "欧阳明"]
LATIN_FIRST = ["East", "West", "New", "Old", "Grand", "Little"]
LATIN_ESTATES = [
    "Jinxiu Garden", "Sunshine Garden", "Green Court", "Riverside Mansion", "Cuihu Garden", "Phoenix Plaza",
    "Royal Villas", "Lakeview Garden", "Golden Court", "Vanke Centre",
]  # fmt: skip
LATIN_ROADS = ["Wensan", "Xueyuan", "Renmin", "Jiefang", "Changjiang", "Tianmushan", "Guanggu", "Keji"]
HONG_KONG_ESTATES = ["Taikoo Shing", "Mei Foo Sun Chuen", "City Garden", "Whampoa Garden", "Kornhill", "Laguna City"]
HONG_KONG_ROADS = ["Nathan Road", "King's Road", "Canton Road", "Queen's Road West"]
HONG_KONG_AREAS = ["Kowloon", "Quarry Bay", "North Point", "Hung Hom"]
SINGAPORE_ROADS = ["Ang Mo Kio Avenue", "Bedok North Street", "Tampines Street", "Yishun Ring Road"]
WEST_ROADS = [("Main", "Street", "St"), ("Oak", "Avenue", "Ave"), ("Maple", "Road", "Rd"), ("Hill", "Drive", "Dr")]
WEST_CITIES = [("Springfield", "IL", "62704"), ("Portland", "OR", "97201"), ("Austin", "TX", "78701")]
TAIWAN = [("台北市", "大安區"), ("台北市", "信義區"), ("新北市", "板橋區"), ("高雄市", "三民區"), ("台中市", "西屯區")]
TAIWAN_ROADS = ["忠孝東路四段", "中山路", "民生東路三段", "文化路一段", "建國一路"]

# How a door is written: b building, u unit, r room, f floor; B, U, R in Chinese numerals, S the room digit by digit.
ESTATE_DOORS = """{b}幢{u}单元{r}室|{b}栋{u}单元{r}|{b}号楼{u}单元{r}室|{b}-{u}-{r}|{b}#{u}单元{r}|{b}号楼{u}單元{r}
{b}幢{u}-{r}|{b}#-{u}-{r}|{b}栋 {u}单元 {r}室|{b}号楼{u}门{r}|{b}座{u}单元{r}室|{b}—{u}—{r}室|{b}幢{u}单元{f}楼{r}室
{b:02d}幢{u:02d}单元{r}室|{B}幢{U}单元{S}|{B}号楼{U}单元{R}室|{B}栋{U}单元{r}|{b}/{u}/{r}|{b} {u} {r}
第{b}幢第{u}单元{r}室|{b}楼{u}单元{r}室|{b}号{u}单元{r}室|{b}号楼{u}单元{r}户|{b}-{u}单元-{r}"""
LANE_DOORS = "{b}号{r}室|{b}号{r}|{b}号楼{r}室|{B}号{S}室|{b}号 {r}室|{b}号-{r}|{b}-{r}室|{b}号{f}楼{r}室"
OFFICE_DOORS = """{l}座{r}室|{l}座{r}|{l}栋{r}|{l}座{f}楼{r}室|{l}幢{f}层{r}
{l}座{r}某某科技有限公司|{m}座{r}室|{l}-{r}"""
DORM_DOORS = """{b}舍{r}|{b}号宿舍楼{r}室|学生公寓{b}号楼{r}|学生宿舍{b}栋{r}|{b}栋{r}寝室|第{b}宿舍{r}|宿舍{b}号楼{r}室
{B}舍{r}|{b}号楼{r}|{b}-{r}"""
VILLAGE_DOORS = "{u}组{h}号|{U}组{h}号|第{u}村民小组{h}号|{u}队{h}号|{u}组 {h}号|{U}组{H}号|{u}社{h}号"
TAIWAN_DOORS = "{k}樓之{u}|{k}F之{u}|{k}樓-{u}|{K}樓之{u}|{k}F-{u}"
LATIN_DOORS = """Rm {r}, Unit {u}, Bldg {b}|Room {r}, Unit {u}, Building {b}|{b}-{u}-{r}
Building {b}, Unit {u}, Room {r}|Bldg. {b} Unit {u} Rm. {r}|Flat {r}, Unit {u}, Block {b}
Room No.{r}, Unit No.{u}, Building No.{b}|Apt {r}, Unit {u}, Bldg #{b}"""
HONG_KONG_DOORS = """Flat {a}, {k}/F, Block {b}|Flat {a} {k}/F Block {b}|Flat {k}{a}, Block {b}|{k}/F, Flat {a}, Blk {b}
Rm {a}, {k}/F., Tower {b}|Flat {a}, {k}th Floor, Block {b}|Block {b}, Flat {a}, {k}/F"""
SINGAPORE_DOORS = "#{f:02d}-{w:02d}|#{f}-{w:02d}|# {f:02d}-{w:02d}|Unit {f:02d}-{w:02d}"
WEST_DOORS = " Apt {f}{a}|, Apt {f}{a}| #{f}{a}|, Unit {f}{a}| Apt. {f}{a}|, Apartment {f}{a}"

_NUMERALS = "零一二三四五六七八九"
_SIMPLIFIED = (
    "浙广东苏西区号楼单栋园门华国际阳龙创绿绣凤怡云静雅银润江学院"
    "师范农业财经医科长宁汉厦闵双陕庆县镇乡马东风陈桥进黄义乌晋兴"
)
_TRADITIONAL = (
    "浙廣東蘇西區號樓單棟園門華國際陽龍創綠繡鳳怡雲靜雅銀潤江學院"
    "師範農業財經醫科長寧漢廈閔雙陝慶縣鎮鄉馬東風陳橋進黃義烏晉興"
)


@dataclass(frozen=True, slots=True)
class Writing:
    """One way to write one door; `place` is the door's number, `group` its estate's, `kind` the kind of place.

    `ambiguous`: no city is named, and the sample knows the estate in several.
    """

    text: str
    place: int
    group: int
    kind: str
    ambiguous: bool


@dataclass(frozen=True, slots=True)
class Door:
    """Building, unit and room."""

    building: int
    unit: int
    room: int


@dataclass(frozen=True, slots=True)
class Site:
    """What all doors of a group share: city (an index), the estate's name, its road and number, its town or area."""

    kind: str
    city: int
    district: int
    name: str
    road: str
    number: int
    town: str = ""


Writer = Callable[[random.Random, Site, Door, bool], str]


def chinese_number(value: int) -> str:
    """A number below 10,000 in Chinese: 12 is 十二, 120 一百二十, 501 五百零一."""
    if value < 10:
        return _NUMERALS[value]
    for unit, sign in ((1000, "千"), (100, "百"), (10, "十")):
        if value >= unit:
            head, rest = divmod(value, unit)
            lead = "" if unit == 10 and head == 1 else _NUMERALS[head]
            if not rest:
                return lead + sign
            gap = "零" if rest < unit // 10 else ""
            ten = "一" if unit > 10 and 10 <= rest < 20 else ""
            return lead + sign + gap + ten + chinese_number(rest)
    raise AssertionError("unreachable: every value has a unit")


def _form(rng: random.Random, forms: str, door: Door) -> str:
    """One of the forms (separated by `|` or new lines), filled in for a door."""
    form = rng.choice(forms.replace("\n", "|").split("|"))
    room, house, high = door.room, door.room % 100 + door.building, _storey(door)
    return form.format(
        b=door.building, u=door.unit, r=room, f=room // 100, h=house, k=high, w=room % 100,
        B=chinese_number(door.building), U=chinese_number(door.unit), R=chinese_number(room), H=chinese_number(house),
        K=chinese_number(high), S="".join(_NUMERALS[int(digit)] for digit in str(room)),
        a="ABCD"[door.unit % 4], l="ABC"[door.building % 3], m="abc"[door.building % 3],
    )  # fmt: skip


def _storey(door: Door) -> int:
    """A floor for places whose doors have no room number."""
    return door.room // 100 % 20 + door.room % 10 + 3


def _doors(rng: random.Random, count: int) -> list[Door]:
    """Doors of one estate that are easily confused."""
    building, unit, floor = rng.randint(1, 9), rng.randint(1, 3), rng.randint(2, 9)
    room = floor * 100 + rng.randint(1, 4)
    swapped = floor * 100 + room % 10 * 10
    near = [
        Door(building, unit, swapped),
        Door(building, unit + 1, room),
        Door(building + 10, unit, room),
        Door(building, unit, room + 1),
        Door(building, unit, room + 1000),
        Door(unit, building, room) if building != unit else Door(building + 1, unit, room),
        Door(building * 11, unit, room),
    ]
    rng.shuffle(near)
    return [Door(building, unit, room), *near[: count - 1]]


def _admin(rng: random.Random, site: Site, city: bool) -> str:
    if not city:
        return ""
    province, suffix, name, districts, *_ = CITIES[site.city]
    names = districts.split()
    district = names[site.district % len(names)]
    town = SUBDISTRICTS[site.number % len(SUBDISTRICTS)]
    forms = [
        f"{name}市{district}",
        f"{name}市",
        name,
        f"{name}{district}",
        f"{name} {district} ",
        f"{name}市 {district} ",
    ]
    forms.append(f"{name}市{district}{town}")
    if not district.endswith("新区") and district[0] != "市":
        forms.append(name + district[:-1])
    if province:
        forms += [f"{province}{suffix}{name}市{district}", f"{province}{name}{district}", f"{province}{suffix}{name}市"]
        forms += [f"{province}{name}", f"{province}{suffix} {name}市 {district} "]
    return rng.choice(forms)


def _decorate(rng: random.Random, text: str) -> str:
    """Remarks, receivers, telephone numbers, width and script."""
    roll = rng.random()
    phone = f"1{rng.choice('3578')}{rng.randint(10**8, 10**9 - 1)}"
    person = rng.choice(PEOPLE)
    if roll < 0.12:
        text += rng.choice(["", ",", " ", "，", "。"]) + rng.choice(REMARKS)
    elif roll < 0.2:
        text += rng.choice(["({})", "（{}）", "【{}】"]).format(rng.choice(REMARKS))
    elif roll < 0.26:
        around = ["{t} {n} {p}", "{t} {p}", "{n} {p} {t}", "{t} 电话{p}", "{t}，{n}收"]
        text = rng.choice(around).format(t=text, n=person, p=phone)
    elif roll < 0.29:
        text = f"收货地址：{text}"
    elif roll < 0.31 and not text[0].isdigit():
        text = f"中国{text}"
    if rng.random() < 0.08:
        text = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text).replace(" ", "\u3000")
    return text.translate(str.maketrans(_SIMPLIFIED, _TRADITIONAL)) if rng.random() < 0.08 else text


def _estate(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    name = site.name + (rng.choice(["", "", "", "小区"]) if site.name[-1] not in "村寓" else "")
    street, tail, admin = f"{site.road}{site.number}号", _form(rng, ESTATE_DOORS, door), _admin(rng, site, city)
    if rng.random() < 0.06:
        _, _, town, districts, *_ = CITIES[site.city]
        names = districts.split()
        end = f"，{names[site.district % len(names)]}，{town}市" if city else ""
        return _decorate(rng, f"{door.room}室，{door.unit}单元，{door.building}幢，{name}{end}")
    forms = ["{a}{n}{t}"] * 6 + ["{a}{s}{n}{t}", "{a}{s} {n}{t}", "{a}{s},{n}{t}", "{a}{n}({s}){t}", "{a}{n}{t}({s})"]
    forms += ["{a}{r}{n}{t}", "{a} {n} {t}"]
    return _decorate(rng, rng.choice(forms).format(a=admin, n=name, t=tail, s=street, r=site.road))


def _lane(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    return _decorate(rng, f"{_admin(rng, site, city)}{site.road}{site.number}弄{_form(rng, LANE_DOORS, door)}")


def _office(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    street = rng.choice(["", f"{site.road}{site.number}号", site.road])
    return _decorate(rng, _admin(rng, site, city) + street + site.name + _form(rng, OFFICE_DOORS, door))


def _dormitory(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    return _decorate(rng, _admin(rng, site, city) + site.name + _form(rng, DORM_DOORS, door))


def _village(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    province, town, county = COUNTIES[site.city % len(COUNTIES)]
    forms = ["{p}省{t}市{c}", "{c}", "{p}{s}", "{p}省{c}", "{t}市{c}"]
    admin = rng.choice(forms).format(p=province, t=town, c=county, s=county[:-1]) if city else ""
    village = site.name + rng.choice(["", "", "", "", "委会"])
    return _decorate(rng, admin + site.town + village + _form(rng, VILLAGE_DOORS, door))


def _taiwan(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    county, district = TAIWAN[site.city % len(TAIWAN)]
    road = site.road
    for numeral, digit in (("一段", "1段"), ("三段", "3段"), ("四段", "4段")):
        road = road.replace(numeral, rng.choice([numeral, digit]))
    forms = [
        county + district,
        county.replace("台", "臺") + district,
        f"台灣{county}{district}",
        f"{county} {district} ",
    ]
    return f"{rng.choice(forms) if city else ''}{road}{site.number}號{_form(rng, TAIWAN_DOORS, door)}"


def _latin(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    *_, province, town, districts = CITIES[site.city]
    names = districts.split(",")
    district = names[site.district % len(names)]
    name = site.name.replace("Garden", rng.choice(["Garden", "Garden", "Gardens", "Gdn"]))
    inner = _form(rng, LATIN_DOORS, door)
    road = f"{site.number} {site.road} {rng.choice(['Road', 'Rd', 'Rd.', 'Lu'])}"
    street = rng.choice(["", "", f", {road}", f", No. {road}"])
    forms = [
        ", {t}",
        ", {d} District, {t}",
        ", {d} Dist., {t}, China",
        ", {t} City",
        ", {t}, {p}" if province else ", {t}",
    ]
    place = rng.choice(forms).format(t=town, d=district, p=province) if city else ""
    text = f"{inner}, {name}{street}{place}" if rng.random() < 0.8 else f"{name}{street}, {inner}{place}"
    return rng.choice([text, text.upper(), text.lower(), text])


def _hong_kong(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    street = rng.choice(["", f", {site.number} {site.road}"])
    area = rng.choice([f", {site.town}", ""]) + rng.choice([", Hong Kong", ", HK", ", Hong Kong SAR"]) if city else ""
    return f"{_form(rng, HONG_KONG_DOORS, door)}, {site.name}{street}{area}"


def _singapore(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    road = site.road.replace("Avenue", rng.choice(["Avenue", "Ave"])).replace("Street", rng.choice(["Street", "St"]))
    forms = ["Blk {b} {s}, {p}{c}", "Block {b} {s} {p}{c}", "{p}, Blk {b} {s}{c}"]
    place = rng.choice([", Singapore", f", Singapore 5601{door.building % 90 + 10}"]) if city else ""
    street = f"{road} {site.number % 9 + 1}"
    return rng.choice(forms).format(b=100 + door.building, s=street, p=_form(rng, SINGAPORE_DOORS, door), c=place)


def _western(rng: random.Random, site: Site, door: Door, city: bool) -> str:
    name, word, short = WEST_ROADS[site.district % len(WEST_ROADS)]
    town, state, code = WEST_CITIES[site.city % len(WEST_CITIES)]
    street = f"{site.number * 100 + door.building} {name} {rng.choice([word, short, short + '.'])}"
    places = [f", {town}, {state} {code}", f", {town}, {state}", f", {town} {state} {code}"]
    return street + _form(rng, WEST_DOORS, door) + (rng.choice(places) if city else "")


# kind: its writer, its share in a sample, whether writings may leave out the city
KINDS: dict[str, tuple[Writer, int, bool]] = {
    "estate": (_estate, 50, True),
    "lane": (_lane, 9, True),
    "office": (_office, 9, True),
    "dormitory": (_dormitory, 7, True),
    "village": (_village, 6, False),
    "taiwan": (_taiwan, 4, False),
    "latin": (_latin, 8, True),
    "hong kong": (_hong_kong, 3, False),
    "singapore": (_singapore, 2, False),
    "western": (_western, 2, False),
}


def _site(rng: random.Random, kind: str) -> Site:
    site = Site(kind, rng.randrange(len(CITIES)), rng.randrange(6), "", rng.choice(ROADS), rng.randint(2, 899))
    first = rng.choice(FIRST) + rng.choice(FIRST)
    if kind == "estate":
        return replace(site, name=first + rng.choice(LAST))
    if kind == "lane":
        return replace(site, city=11)
    if kind == "office":
        return replace(site, name=first + rng.choice(TOWERS))
    if kind == "dormitory":
        return replace(site, name=rng.choice(FIRST) + rng.choice(UNIVERSITIES) + rng.choice(CAMPUSES))
    if kind == "village":
        return replace(site, name=rng.choice(VILLAGES), town=rng.choice(TOWNS))
    if kind == "taiwan":
        return replace(site, road=rng.choice(TAIWAN_ROADS))
    if kind == "latin":
        return replace(
            site, name=f"{rng.choice(LATIN_FIRST)} {rng.choice(LATIN_ESTATES)}", road=rng.choice(LATIN_ROADS)
        )
    if kind == "hong kong":
        road, town = rng.choice(HONG_KONG_ROADS), rng.choice(HONG_KONG_AREAS)
        return replace(site, name=rng.choice(HONG_KONG_ESTATES), road=road, town=town)
    return replace(site, road=rng.choice(SINGAPORE_ROADS) if kind == "singapore" else "")


def _identity(site: Site) -> tuple[object, ...]:
    """What makes two sites one in the world, whatever the sample drew besides."""
    by_kind: dict[str, tuple[object, ...]] = {
        "village": (site.city % len(COUNTIES), site.name, site.town),
        "taiwan": (site.city % len(TAIWAN), site.road, site.number),
        "western": (site.city % len(WEST_CITIES), site.district % len(WEST_ROADS), site.number),
        "singapore": (site.road, site.number % 9),
        "hong kong": (site.name,),
        "lane": (site.road, site.number),
    }
    return (site.kind, *by_kind.get(site.kind, (site.city, site.name)))


def _nameless(site: Site) -> tuple[object, ...]:
    """What a writing without a city leaves of a site."""
    return (site.kind, site.name, site.town) if site.name else (site.kind, site.road, site.number)


def _parts(site: Site, door: Door) -> tuple[int, ...]:
    """The parts of a door that a kind of place really has."""
    building, unit, room = door.building, door.unit, door.room
    by_kind: dict[str, tuple[int, ...]] = {
        "estate": (building, unit, room),
        "latin": (building, unit, room),
        "office": (building % 3, room),
        "village": (unit, room % 100 + building),
        "taiwan": (_storey(door), unit),
        "hong kong": (building, unit % 4, _storey(door)),
        "western": (building, unit % 4, room // 100),
    }
    return by_kind.get(site.kind, (building, room))


def _sites(rng: random.Random, count: int) -> list[Site]:
    kinds, weights = list(KINDS), [share for _, share, _ in KINDS.values()]
    sites: dict[tuple[object, ...], Site] = {}
    while len(sites) < count:
        site = _site(rng, rng.choices(kinds, weights)[0])
        sites.setdefault(_identity(site), site)
        if site.kind in {"estate", "latin", "village"} and rng.random() < 0.3:
            twin = replace(site, city=(site.city + rng.randint(1, 4)) % len(CITIES))
            sites.setdefault(_identity(twin), twin)
    return list(sites.values())


def generate(places: int, seed: int, writings: int = 6) -> list[Writing]:
    """About `places` doors, five of a site, with `writings` writings each; the same arguments give the same list."""
    rng = random.Random(seed)
    sites = _sites(rng, max(places // 5, 1))
    known: dict[tuple[object, ...], int] = defaultdict(int)
    for site in sites:
        known[_nameless(site)] += 1
    result: list[Writing] = []
    place = 0
    for group, site in enumerate(sites):
        write, _, may_omit = KINDS[site.kind]
        family: dict[tuple[int, ...], int] = {}
        for door in _doors(rng, 5):
            if _parts(site, door) not in family:
                family[_parts(site, door)] = place
                place += 1
            for _ in range(writings):
                city = not may_omit or rng.random() > 0.12
                ambiguous = not city and known[_nameless(site)] > 1
                text = write(rng, site, door, city)
                result.append(Writing(text, family[_parts(site, door)], group, site.kind, ambiguous))
    return result

"""The vocabulary of the simulated country: cities and districts, and the syllables of invented names."""

from typing import Final

City = tuple[str, str, str, str, tuple[tuple[str, str], ...], float]
"""Province, city, both in Latin letters, districts (Chinese, Latin), share of buyers."""

CITIES: Final[tuple[City, ...]] = (
    ("浙江省", "杭州市", "Zhejiang", "Hangzhou",
     (("西湖区", "Xihu"), ("滨江区", "Binjiang"), ("余杭区", "Yuhang"), ("拱墅区", "Gongshu")), 0.10),
    ("浙江省", "宁波市", "Zhejiang", "Ningbo",
     (("海曙区", "Haishu"), ("鄞州区", "Yinzhou"), ("江北区", "Jiangbei")), 0.05),
    ("上海市", "上海市", "Shanghai", "Shanghai",
     (("浦东新区", "Pudong"), ("徐汇区", "Xuhui"), ("闵行区", "Minhang"), ("宝山区", "Baoshan")), 0.11),
    ("北京市", "北京市", "Beijing", "Beijing",
     (("朝阳区", "Chaoyang"), ("海淀区", "Haidian"), ("丰台区", "Fengtai"), ("通州区", "Tongzhou")), 0.10),
    ("广东省", "广州市", "Guangdong", "Guangzhou",
     (("天河区", "Tianhe"), ("海珠区", "Haizhu"), ("白云区", "Baiyun"), ("番禺区", "Panyu")), 0.10),
    ("广东省", "深圳市", "Guangdong", "Shenzhen",
     (("南山区", "Nanshan"), ("福田区", "Futian"), ("宝安区", "Bao'an"), ("龙岗区", "Longgang")), 0.10),
    ("江苏省", "南京市", "Jiangsu", "Nanjing",
     (("鼓楼区", "Gulou"), ("江宁区", "Jiangning"), ("玄武区", "Xuanwu")), 0.06),
    ("江苏省", "苏州市", "Jiangsu", "Suzhou",
     (("姑苏区", "Gusu"), ("吴中区", "Wuzhong"), ("虎丘区", "Huqiu")), 0.06),
    ("四川省", "成都市", "Sichuan", "Chengdu",
     (("武侯区", "Wuhou"), ("锦江区", "Jinjiang"), ("双流区", "Shuangliu"), ("青羊区", "Qingyang")), 0.07),
    ("湖北省", "武汉市", "Hubei", "Wuhan",
     (("洪山区", "Hongshan"), ("江汉区", "Jianghan"), ("武昌区", "Wuchang")), 0.06),
    ("陕西省", "西安市", "Shaanxi", "Xi'an",
     (("雁塔区", "Yanta"), ("碑林区", "Beilin"), ("未央区", "Weiyang")), 0.05),
    ("山东省", "济南市", "Shandong", "Jinan",
     (("历下区", "Lixia"), ("槐荫区", "Huaiyin"), ("历城区", "Licheng")), 0.04),
    ("河南省", "郑州市", "Henan", "Zhengzhou",
     (("金水区", "Jinshui"), ("二七区", "Erqi"), ("中原区", "Zhongyuan")), 0.04),
    ("福建省", "厦门市", "Fujian", "Xiamen",
     (("思明区", "Siming"), ("湖里区", "Huli"), ("集美区", "Jimei")), 0.03),
    ("湖南省", "长沙市", "Hunan", "Changsha",
     (("岳麓区", "Yuelu"), ("雨花区", "Yuhua"), ("天心区", "Tianxin")), 0.03),
)  # fmt: skip

_FIRST_LATIN: Final[tuple[str, ...]] = (
    "Cui", "Jin", "Jin", "Yin", "Dong", "Xi", "Nan", "Bei", "Lv", "Zi", "Yun", "Long", "Feng", "Chun", "Qiu",
    "Jiang", "Hai", "Hu", "Shan", "Tian", "Xing", "Yue", "Ming", "Hua", "Fu", "He", "An", "Rui", "Jia", "Jing",
)  # fmt: skip
FIRST: Final[tuple[tuple[str, str], ...]] = tuple(
    zip("翠锦金银东西南北绿紫云龙凤春秋江海湖山天星月明华福和安瑞嘉景", _FIRST_LATIN, strict=True)
)
_SECOND_LATIN: Final[tuple[str, ...]] = (
    "hu", "jiang", "shan", "cheng", "tai", "ting", "he", "wan", "lin", "zhou", "qiao", "xi", "quan", "gu",
    "feng", "an", "zhu", "lan", "gui", "feng", "he", "mei", "song", "bai", "he", "ming", "feng", "sheng",
    "xiang",
)  # fmt: skip
SECOND: Final[tuple[tuple[str, str], ...]] = tuple(
    zip("湖江山城泰庭河湾林洲桥溪泉谷峰岸竹兰桂枫荷梅松柏鹤鸣丰盛祥", _SECOND_LATIN, strict=True)
)
ESTATE_KINDS: Final[tuple[tuple[str, str], ...]] = (
    ("花园", "Huayuan"), ("小区", "Xiaoqu"), ("华庭", "Huating"), ("新村", "Xincun"), ("家园", "Jiayuan"),
    ("公寓", "Gongyu"), ("苑", "Yuan"), ("名邸", "Mingdi"), ("雅居", "Yaju"), ("国际", "Guoji"),
)  # fmt: skip
SCHOOL_KINDS: Final[tuple[tuple[str, str], ...]] = (("大学", "University"), ("职业技术学院", "Vocational College"))
OFFICE_KINDS: Final[tuple[tuple[str, str], ...]] = (
    ("大厦", "Tower"), ("科技园", "Science Park"), ("商务中心", "Business Centre"))  # fmt: skip
ROAD_KINDS: Final[tuple[tuple[str, str], ...]] = (("路", "Road"), ("街", "Street"), ("大道", "Avenue"))
STATIONS: Final[tuple[str, ...]] = ("菜鸟驿站", "妈妈驿站", "丰巢快递柜", "快递代收点")

SURNAMES: Final[str] = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
)
SURNAMES_LATIN: Final[tuple[str, ...]] = (
    "Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Huang", "Zhao", "Wu", "Zhou", "Xu", "Sun", "Ma", "Zhu", "Hu",
    "Guo", "He", "Gao", "Lin", "Luo", "Zheng", "Liang", "Xie", "Song", "Tang", "Xu", "Han", "Feng", "Deng",
    "Cao", "Peng", "Zeng", "Xiao", "Tian", "Dong", "Yuan", "Pan", "Yu", "Jiang", "Cai", "Yu", "Du", "Ye",
    "Cheng", "Su", "Wei", "Lv", "Ding", "Ren", "Shen",
)  # fmt: skip
GIVEN: Final[str] = "伟芳娜敏静丽强磊军洋勇艳杰涛明超霞平刚桂英华玉兰红波辉健俊欣怡雨梓涵浩宇轩思嘉琪子晨佳雪婷文博"
GIVEN_LATIN: Final[tuple[str, ...]] = (
    "wei", "fang", "na", "min", "jing", "li", "qiang", "lei", "jun", "yang", "yong", "yan", "jie", "tao",
    "ming", "chao", "xia", "ping", "gang", "gui", "ying", "hua", "yu", "lan", "hong", "bo", "hui", "jian",
    "jun", "xin", "yi", "yu", "zi", "han", "hao", "yu", "xuan", "si", "jia", "qi", "zi", "chen", "jia", "xue",
    "ting", "wen", "bo",
)  # fmt: skip

TRADITIONAL: Final[dict[int, int]] = str.maketrans(
    "楼单号区县园华广东湾龙云兰凤丽锦银阳门宁苏汉长济岗图绿鸣桥荫闵静枫邓鹤驿际丰来国庄岁泽热乡学栋业职术双",
    "樓單號區縣園華廣東灣龍雲蘭鳳麗錦銀陽門寧蘇漢長濟崗圖綠鳴橋蔭閔靜楓鄧鶴驛際豐來國莊歲澤熱鄉學棟業職術雙",
)
FULL_WIDTH: Final[dict[int, int]] = str.maketrans("0123456789-#()", "０１２３４５６７８９－＃（）")
REMARKS: Final[tuple[str, ...]] = (
    "（放门口）",
    " 请放快递柜",
    "(到了打电话)",
    "，工作日送",
    " 勿放驿站",
    "（小区东门）",
    " 谢谢",
)
NOTES: Final[tuple[str, ...]] = (
    "收到就是坏的", "和图片不一样", "不想要了", "尺码不合适", "少发了一件", "质量太差了", "已经联系过客服",
    "包装破损，东西漏了", "颜色发错了", "一直没收到", "买多了", "不新鲜", "有异味", "退一件",
)  # fmt: skip

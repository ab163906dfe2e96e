"""What couriers are told, and what doesn't belong to the place: remarks, telephone numbers, names of who receives."""

from __future__ import annotations

import re

_TO_DELIMITER = (
    r"(?:\d{1,2}(?:点半?|[:.]\d\d|时|月|日|号(?=前|后))|[^\d,()\sA-Z]|[A-Z](?=柜))*"
    r"(?:-?\d{1,2}(?:点半?|:\d\d)[^,()\s\d]*)?"
)
_STARTS = (
    r"放(?:在|到|门|丰|快|驿|前|保|物|楼下|楼梯|家|鞋|水表|电表|代收|菜|传达|超市|柜|一楼|好|地上"
    r"|消防)(?<!解放.)(?<!开放.)"
    r"|送(?:到|货|上|至|前|达|来|楼|件)|请(?!.?[路街])|联系(?!路)|致电|来电|电联|电话|打电|打我|快递(?!公司|大厦"
    r"|员?小区)|快件|丰巢|蜂巢|菜鸟(?!大厦|总部|网络)"
    r"|妈妈驿站|代收|自提|签收|速递易|速易递|麻烦|谢谢|感谢|多谢|辛苦|勿|不要|不用|不能|不在|无人|没人|有人"
    r"|别(?!墅|苑|院|业)|务必|尽快|尽量|加急|急用|急件"
    r"|小心|轻拿|轻放|易碎|周末|周[一二三四五六日](?=到|至|[,.]|送|收|下|上|晚|白)|工作日|节假日|白天(?!鹅)|晚上"
    r"|下午|中午|有狗|敲门|按门铃|按铃|门铃|门禁|密码[是为:]?[\d#*]*"
    r"|给(?:保安|门卫|物业|前台|我)|到了|到后|到前|本人|提前|送前|派送|派件|配送|上门|可以?放|如果?|若(?:不|无"
    r"|没)|收货人|收件人?|联系人|备注|寄给|转交"
)
_REMARK = re.compile(rf"(?:{_STARTS}){_TO_DELIMITER}")
# Places where parcels wait; they end an address and say nothing of whose door it is.
_HANDOVER = re.compile(
    r"(?:小区|家|单元|楼|大|正|前|后|侧|[东西南北])*(?:门口|门卫室?|保安室|保安亭|传达室|收发室|值班室|前台|大堂"
    r"|楼下|楼道|物业(?:管理处|服务中心|中心|处|办公室)?|驿站"
    r"|(?:[东西南北正侧后]{1,2}|大)门)(?:处|旁|边|内|里)*(?=$|[,()!])"
)
_TIME = re.compile(
    r"(?:早上?|晚上?|上午|下午)?(?<!\d)\d{1,2}(?:点半?|:\d\d|时)(?:(?:前|后|左右|以前|以后|之前|之后|[-到至]"
    r"|\d{1,2}(?:点半?|:\d\d))*)(?:送|派|来)?"
)
_HANDOVER_SIGN = re.compile(
    "门口|门卫|保安|传达|收发|值班|前台|大堂|楼下|楼道|物业|驿站|东门|西门|南门|北门|正门|侧门|后门|大门"
)
_PERSON_SIGN = re.compile("收|启|先生|女士|小姐|太太|同学|老师")
_TELEPHONE = re.compile(
    r"(?:(?:电话|手机|TEL|MOBILE|PHONE|MOB)\W{0,2})?(?<![\dA-Z])(?:"
    r"(?:\+?86[- ]?)?1[3-9]\d(?:[- ]?\d{4}){2}(?:(?:转|-|,|X|EXT)\s?\d{1,5})?"
    r"|0\d{2,3}[- ]?\d{7,8}(?:[-转]\d{1,5})?|\+\d{1,3}[- ]?\d{2,4}[- ]?\d{3,4}[- ]?\d{3,4})(?!\d)"
)
_POSTCODE = re.compile(r"(?:邮编|邮政编码|邮区)\W{0,2}\d{5,6}|(?<![\dA-Z-])\d{6}(?![\d室房号弄-])")
_PERSON = re.compile(
    r"(?:(?<=[,\s])|^)[一-龥]{1,4}(?:先生|女士|小姐|太太|同学|老师)(?:收|启|亲启)?(?=$|[,\s])|(?:(?<=[,\s])"
    r"|^)[一-龥]{2,4}[收启](?=$|[,\s])"
    r"|(?<=[室号户房])[一-龥]{2,3}(?:先生|女士|小姐)?[收启](?=$|[,\s])"
)
_NAME_BY_TELEPHONE = re.compile(
    r"(?:(?<=[,\s])"
    r"|^)([一-龥]{2,4})(?<![园苑城府庭区村路街室号幢栋座楼元层湾里厦场院寓墅镇乡市省])[,\s]*(?=(?:\+?86-?)?1[3-9]\d{9})"
    r"|(?<=1\d{10})[,\s]+([一-龥]{2,3})(?<![园苑城府庭区村路街室号幢栋座楼元层湾里厦场院寓墅镇乡市省])$"
)
_LABEL = re.compile(
    r"(?:收货|收件|详细|联系|送货|快递)?地址\s*[::]|(?:所在)?(?:地区|区域)\s*[::]|(?:收货"
    r"|收件)人\s*[::]?\s*[一-龥]{2,4}(?=[,\s])"
)
_BRACKET = re.compile(r"\(([^()]*)\)?")
_KEEP_IN_BRACKET = re.compile(
    r"^(?!近|靠|原|旁|旧|距|离|注|曾|老).*(?:[\d零一二三四五六七八九十A-Z甲乙](?:幢|栋|座|号|单元|室|楼|层|期|区"
    r"|弄|#|门)|[东西南北中]区|\d+-\d+|[路街巷道]\d)(?!.*(?:旁|附近|对面|店|楼上|隔壁)$)"
    r"|^(?:BLDG|BUILDING|BLOCK|UNIT|ROOM|RM|FLAT|APT|TOWER|PHASE)[ .]*[A-Z0-9]+$"
)
_DIGIT_RUN = re.compile(r"\d\d\d(?:\d\d\d|[- ]\d{4})")


def _bracket(match: re.Match[str]) -> str:
    inside = match.group(1)
    if _REMARK.search(inside) is not None and not re.search(r"\d(?:幢|栋|单元|室)", inside):
        return ","
    return f",{inside}," if _KEEP_IN_BRACKET.search(inside) is not None else ","


def drop_remarks(text: str) -> str:
    """A folded Chinese address without remarks, telephone numbers, postcodes and receivers' names.

    A bracket keeps what it says of building, phase or room, and loses all else.
    """
    if "(" in text:
        text = _BRACKET.sub(_bracket, text)
    if ":" in text:
        text = _LABEL.sub(",", text)
    if _DIGIT_RUN.search(text) is not None:
        text = _NAME_BY_TELEPHONE.sub(",", text)
        text = _TELEPHONE.sub(",", text)
        text = _POSTCODE.sub(",", text)
    if "点" in text or ":" in text or "时" in text:
        text = _TIME.sub(",", text)
    if _PERSON_SIGN.search(text) is not None:
        text = _PERSON.sub("", text)
    text = _REMARK.sub("", text)
    return _HANDOVER.sub("", text) if _HANDOVER_SIGN.search(text) is not None else text

//! Chinese names beside the codes and the English words of a report.

/// Interfaces, as the customer's list calls them.
const INTERFACES: [(&str, &str); 34] = [
    ("H5 agree", "同意协议"),
    ("H5 consent", "提交授权"),
    ("H5 enter", "进入 H5"),
    ("H5 errand", "等待结果"),
    ("H5 mall enter", "进入商城"),
    ("H5 open", "开通账户"),
    ("H5 page", "H5 页面"),
    ("H5 return", "返回伙伴应用"),
    ("H5 revoke", "取消授权"),
    ("4.4.2", "预填业务信息"),
    ("4.4.5", "查询H5服务结果"),
    ("identity H5", "身份链页面"),
    ("admin issuance-runs", "签发批次"),
    ("noop", "空操作"),
    ("01.Z202", "账户减排场景授权"),
    ("02.Z202", "账户权益平台授权"),
    ("Z101", "获取登录令牌"),
    ("Z102", "获取签名"),
    ("Z201", "获取许可协议"),
    ("01.Z204", "账号授权信息查询"),
    ("01.Z301", "轨道交通出行距离字典"),
    ("01.Z302", "减排量计算"),
    ("01.Z303", "减排量批量计算"),
    ("01.Z304", "减排量批量报送"),
    ("01.Z306", "签发结果查询"),
    ("01.Z501", "碳减排量账户查询"),
    ("01.Z502", "碳减排量账单查询"),
    ("01.Z504", "开通场景信息查询"),
    ("02.Z204", "账号授权信息查询"),
    ("02.Z303", "订单结算"),
    ("02.Z401", "开通场景查询"),
    ("02.Z402", "积分信息查询"),
    ("02.Z403", "碳积分账单查询"),
    ("02.Z405", "根据授权码获取用户"),
];

/// An interface's Chinese name; nothing for a code that is not listed.
pub fn interface(code: &str) -> &'static str {
    INTERFACES.iter().find(|(listed, _)| *listed == code).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_name_and_an_unknown_one_none() {
        assert_eq!(interface("02.Z303"), "订单结算");
        assert_eq!(interface("99.Z999"), "");
    }
}

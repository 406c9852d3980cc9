"""What the vendors' pages and published experience say each error code means: the judge of the tables, written down apart from them.

A line is an action and the codes it is for. `@400` behind a code: with that HTTP status; `~text`: where the message holds it.
"""

TENCENT = """
auth ActionOffline AuthFailure.InvalidAuthorization AuthFailure.InvalidSecretId AuthFailure.MFAFailure AuthFailure.SecretIdNotFound
auth AuthFailure.SignatureFailure AuthFailure.TokenFailure AuthFailure.UnauthorizedOperation DryRunOperation InvalidAction NoSuchProduct
auth NoSuchVersion InvalidParameter InvalidParameterValue MissingParameter UnknownParameter InvalidRequest IpInBlacklist
auth IpNotInWhitelist ResourceNotFound UnauthorizedOperation UnsupportedOperation UnsupportedProtocol UnsupportedRegion
auth FailedOperation.UnOpenError InvalidParameterValue.InvalidParameterValueLimit
clock AuthFailure.SignatureExpire
retry FailedOperation InternalError ResourceInUse ResourceInsufficient ResourceUnavailable ServiceUnavailable
retry FailedOperation.DownLoadError FailedOperation.UnKnowError FailedOperation.EngineRecognizeTimeout
retry FailedOperation.ResponseParseFailed ResourceUnavailable.ImageDownloadError
throttle LimitExceeded RequestLimitExceeded RequestLimitExceeded.IPLimitExceeded RequestLimitExceeded.UinLimitExceeded
throttle RequestLimitExceeded.GlobalRegionUinLimitExceeded FailedOperation.CountLimitError
reject RequestSizeLimitExceeded ResponseSizeLimitExceeded FailedOperation.EmptyImageError FailedOperation.ImageDecodeFailed
reject LimitExceeded.TooLargeFileError FailedOperation.ImageSizeTooLarge FailedOperation.FileDecodeFailed
reject FailedOperation.UnKnowFileTypeError InvalidParameter.EngineImageDecodeFailed
novin FailedOperation.OcrFailed FailedOperation.DetectFailed FailedOperation.ImageNoText FailedOperation.ImageBlur
novin FailedOperation.NoVehicleLicenseError FailedOperation.ImageNoSpecifiedCard FailedOperation.LicenseCardSideError
novin FailedOperation.CardSideError FailedOperation.MultiCardError FailedOperation.LicenseMultiCardError
novin FailedOperation.ImageNoBusinessCard
billing ResourcesSoldOut.ChargeStatusException ResourceUnavailable.InArrears ResourceUnavailable.ResourcePackageRunOut
billing FailedOperation.ArrearsError
auth AuthFailure http.3xx http.4xx
retry http.5xx
throttle http.429
"""

HUAWEI = """
auth AIS.0101@400 AIS.0117@400 AIS.0118@400 AIS.0119@400 AIS.0120@400 AIS.0121@400
reject AIS.0102@400 AIS.0103@400 AIS.0122@400
novin AIS.0104@400 AIS.0105@400
renew ModelArts.0203 ModelArts.4101 ModelArts.4102 ModelArts.4103
auth ModelArts.0212 ModelArts.4105 ModelArts.4201 ModelArts.4202 ModelArts.4203 ModelArts.4204 ModelArts.4503 ModelArts.4504
auth ModelArts.4506 ModelArts.4601 ModelArts.4703 ModelArts.4702 ModelArts.4706
reject ModelArts.4104 ModelArts.4705
billing ModelArts.4106
retry ModelArts.4107 ModelArts.4301 ModelArts.4302 ModelArts.4402 ModelArts.4403 ModelArts.4502 ModelArts.4505 ModelArts.4508
retry ModelArts.4603 ModelArts.4704
throttle ModelArts.4401
auth APIG.0101@404 APIG.0106@400 APIG.0108@404 APIG.0201@400 APIG.0201@414 APIG.0201@494 APIG.0204@400 APIG.0205@400
retry APIG.0103@500 APIG.0104@500 APIG.0105@500 APIG.0107@500 APIG.0201@500 APIG.0201@502 APIG.0201@504 APIG.0202@502 APIG.0203@504
reject APIG.0201@413
renew APIG.0301@401~the_token_expires APIG.0301@401~decrypt_token_fail APIG.0307@401
clock APIG.0301@401~signature_expired,_signature_time:20211217T064303Z,server_time:20211217T065804Z
clock APIG.0303@401~signature_expired
auth APIG.0301@401~verify_aksk_signature_fail APIG.0301@401~ak_AKEXAMPLE_not_exist APIG.0303@401 APIG.0305@401
auth APIG.0302@403 APIG.0304@403 APIG.0306@403 APIG.0310@403 APIG.0311@403 APIG.0312@403 APIG.0313@403 APIG.0314@401
auth APIG.0401@403 APIG.0402@403 APIG.0404@403 APIG.0405@403 APIG.0602@400 APIG.0607@400 APIG.0802@403
throttle APIG.0308@429
billing APIG.0501@405 APIG.0502@405
retry APIG.0601@500 APIG.0605@500 APIG.0606@500 APIG.0608@500 APIG.0609@500 APIG.0611@500 APIG.0612@500 APIG.0615@500 APIG.0616@500
retry APIG.0617@500 APIG.0705@500 APIG.0610@502 APIG.0613@503
auth APIG.1001@400 APIG.1002@400 APIG.1003@401 APIG.1004@401 APIG.1009@400 APIG.2102@400 APIG.2201@401 APIG.2202@401 APIG.2203@401
auth APIG.2204@401 APIG.2205@401 APIG.2206@401 APIG.2207@401 APIG.2208@401 APIG.2209@401 APIG.2210@401 APIG.2211@401 APIG.2212@401
auth APIG.2213@401
auth IAM.0007@400 IAM.0011@400 IAM.1105@400 IAM.1107@400 IAM.1108@400 IAM.1109@400 IAM.0001@401 IAM.0062@401 IAM.0063@401
auth IAM.0066@401 IAM.0067@401 IAM.0061@401 IAM.0064@401 IAM.0002@403 IAM.0003@403 IAM.0080@403 IAM.0082@403 IAM.0004@404
throttle IAM.0012@429
retry IAM.0005@409 IAM.0006@500
renew http.401
auth http.403 http.404 http.411
retry http.408 http.5xx
reject http.413
throttle http.429
"""

LEGACY = """
auth 3 4 5 6 10 11 12 14 16 17 18 21 24 -1301 -9001 400 401 403 404 411 424
billing 3~account_abnormal,errorno_is:2 3~account_abnormal_,errorno_is：_2 25
renew 13
clock 9
retry 7 8 107 108 200 201 202 203 213 -1308 -5208 500 502 503 504
throttle 15
reject 19 20 23 413 -1102 -1300 -1304 -9005 -9006 -9010 -9011
novin -9002 -9003
auth http.400 http.401 http.403 http.404 http.411 http.424
reject http.413
retry http.5xx
throttle http.429
"""

BAIDU = """
retry 1 2 282000 http.5xx
throttle 4 17 18 http.429
billing 19
renew 110 111
auth 3 6 14 100 216100 216101 216102 216103 216110 282003 invalid_client unsupported_grant_type http.401 http.403
reject 216200 216201 216202 http.413
novin 216630 216634 282102 282103
"""

ALIYUN = """
throttle Throttling Throttling.User@429 Throttling.Api http.429
auth InvalidAccessKeyId InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive SignatureDoesNotMatch IncompleteSignature noPermission
auth NoPermission Forbidden ocrServiceNotOpen InvalidAction InvalidVersion MissingParameter InvalidParameter http.401 http.403
renew SignatureNonceUsed
clock InvalidTimeStamp InvalidTimeStamp.Expired
billing ocrServiceExpired ocrServiceOverdue InsufficientBalance
reject illegalImageSize exceededImageSize unsupportedImageFormat illegalImageContent http.413 http.415
novin unmatchedImageType
retry ServiceUnavailable InternalError http.5xx
"""

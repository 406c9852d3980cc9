"""Errors of Tencent's older services, of Baidu and of Aliyun: name | HTTP status | text.

No source says which HTTP status the older numeric codes come with: those that look like one arrive with it, the rest with 200.
"""

LEGACY = """
3 | 200 | bad request
3/arrears | 200 | account abnormal,errorno is:2
3/arrears-wide | 200 | account abnormal，errorno is： 2
4 | 200 | signature is empty
5 | 200 | signature is wrong
6 | 200 | appid or bucket of the signature does not match
7 | 200 | signature coder failed
8 | 200 | signature decoder failed
9 | 200 | signature expired
10 | 200 | appid does not exist
11 | 200 | secretid does not exist
12 | 200 | appid does not match secretid
13 | 200 | replay attack
14 | 200 | signature check failed
15 | 200 | frequency limit
16 | 200 | bucket does not exist
17 | 200 | url is empty
18 | 200 | no image or url
19 | 200 | too many images
20 | 200 | image is too large
21 | 200 | invalid parameter
23 | 200 | request body is too large
24 | 200 | no permission
25 | 200 | the resources you bought are used up
107 | 200 | auth service internal error
108 | 200 | auth service unavailable
200 | 200 | inner pack error
201 | 200 | inner unpack error
202 | 200 | inner link error
203 | 200 | inner timeout
213 | 200 | internal error
400 | 400 | request body is malformed
401 | 401 | unauthorized
403 | 403 | forbidden
404 | 404 | not found
411 | 411 | content-length is missing
413 | 413 | request body is too large
424 | 424 | method not found
500 | 500 | internal server error
502 | 502 | bad gateway
503 | 503 | service unavailable
504 | 504 | gateway timeout
-1102 | 200 | image decode failed
-1300 | 200 | image is empty
-1301 | 200 | parameter is empty
-1304 | 200 | parameter is too long
-1308 | 200 | image download failed
-5208 | 200 | ocr server internal error
-9001 | 200 | type is neither 0 nor 1
-9002 | 200 | recognition failed
-9003 | 200 | ocr failed
-9005 | 200 | image is invalid
-9006 | 200 | preprocessing failed
-9010 | 200 | card number not found
-9011 | 200 | card number not complete
"""

BAIDU = """
1 | 200 | Unknown error
2 | 200 | Service temporarily unavailable
3 | 200 | Unsupported openapi method
4 | 200 | Open api request limit reached
6 | 200 | No permission to access data
14 | 200 | IAM Certification failed
17 | 200 | Open api daily request limit reached
18 | 200 | Open api qps request limit reached
19 | 200 | Open api total request limit reached
100 | 200 | Invalid parameter
110 | 200 | Access token invalid or no longer valid
111 | 200 | Access token expired
216100 | 200 | invalid param
216101 | 200 | not enough param
216102 | 200 | service not support
216103 | 200 | param too long
216110 | 200 | appid not exist
216200 | 200 | empty image
216201 | 200 | image format error
216202 | 200 | image size error
216630 | 200 | recognize error
216634 | 200 | detect error
282000 | 200 | internal error
282003 | 200 | missing parameters
282102 | 200 | target detect error
282103 | 200 | target recognize error
"""

BAIDU_TOKEN = """
invalid_client | 401 | Client authentication failed
invalid_client/unknown | 401 | unknown client id
unsupported_grant_type | 400 | The authorization grant type is not supported
"""

ALIYUN = """
algorithmError | 503 | An algorithm error occurred.
exceededImageContent | 413 | The image content size exceeds the 10 MB limit.
illegalImageContent | 400 | The corresponding image content is missing.
illegalImageType | 400 | The specified imageType is invalid.
IllegalImageUrl | 400 | The image URL is unavailable or has timed out.
illegalSignature | 400 | The signature is incorrect.
invalidStsToken | 400 | The STS token is invalid.
MissingImageUrl | 400 | You must specify image URL.
noPermission | 401 | You are not authorized to perform this operation.
notSafeImageUrl | 400 | The image URL is not safe.
ocrServiceNotOpen | 401 | You have not activated the OCR service.
OcrServiceExpired | 401 | The OCR service has expired.
unsupportedEncodeImageUrl | 400 | The image URL encoding cannot be parsed.
unmatchedImageType | 400 | The image type does not match the API operation.
unsupportedImageFormat | 415 | The image format or content is not supported.
Throttling | 429 | Request was denied due to request throttling.
Throttling.Api | 429 | Request was denied due to api flow control.
Throttling.User | 429 | Request was denied due to user flow control.
InvalidAccessKeyId.NotFound | 404 | Specified access key is not found.
InvalidAccessKeyId.Inactive | 403 | Specified access key is disabled.
SignatureDoesNotMatch | 400 | Specified signature does not match our calculation.
InvalidTimeStamp.Expired | 400 | Specified time stamp or date value is expired.
SignatureNonceUsed | 400 | Specified signature nonce was used already.
IncompleteSignature | 400 | The request signature does not conform to the standards.
InvalidAction.NotFound | 404 | Specified api is not found, please check your url and method.
InvalidVersion | 400 | Specified parameter Version is not valid.
InternalError | 500 | The request processing has failed due to some unknown error.
ServiceUnavailable | 503 | The request has failed due to a temporary failure of the server.
Forbidden.RAM | 403 | User not authorized to operate on the specified resource.
"""

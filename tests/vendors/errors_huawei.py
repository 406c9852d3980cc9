"""Errors of Huawei's OCR, its API gateway and its token service: name | HTTP status | text.

The sources give no HTTP status for the codes of ModelArts; the ones here are a reading of what each means.
"""

OCR = """
AIS.0101 | 400 | The input parameter is invalid.
AIS.0102 | 400 | The image format is not supported.
AIS.0103 | 400 | The image size does not meet the requirements.
AIS.0104 | 400 | The image is not supported or the image quality is poor.
AIS.0105 | 400 | Recognition failed.
AIS.0117 | 400 | Input ID does not exist.
AIS.0118 | 400 | Service request error.
AIS.0119 | 400 | Template match failed.
AIS.0120 | 400 | Classification failed.
AIS.0121 | 400 | The recognition area of the template is not configured.
AIS.0122 | 400 | The image contains two or more ID cards with the same side.
ModelArts.0203 | 401 | Invalid token.
ModelArts.0212 | 401 | The token has no project scope.
ModelArts.4101 | 401 | Token header is empty.
ModelArts.4102 | 401 | Token header is incomplete.
ModelArts.4103 | 401 | Token parse failed.
ModelArts.4104 | 400 | Body length is wrong or too large.
ModelArts.4105 | 400 | Body is not JSON.
ModelArts.4106 | 403 | The account is restricted.
ModelArts.4107 | 500 | Temporary credentials could not be obtained.
ModelArts.4201 | 404 | URL wrong.
ModelArts.4202 | 404 | URL format wrong.
ModelArts.4203 | 403 | No right to call this API.
ModelArts.4204 | 403 | API not subscribed.
ModelArts.4301 | 500 | Gateway fault.
ModelArts.4302 | 500 | Gateway fault while forwarding.
ModelArts.4401 | 429 | Too many calls at the same time.
ModelArts.4402 | 504 | Backend timeout.
ModelArts.4403 | 503 | Backend unavailable.
ModelArts.4502 | 502 | Backend answer invalid.
ModelArts.4503 | 404 | Service not found.
ModelArts.4504 | 404 | API not found.
ModelArts.4505 | 500 | Internal error.
ModelArts.4506 | 404 | Service does not exist.
ModelArts.4508 | 503 | Service stopped.
ModelArts.4601 | 400 | Image URL invalid.
ModelArts.4603 | 400 | Image download failed.
ModelArts.4702 | 400 | OBS agency missing.
ModelArts.4703 | 400 | OBS URL invalid.
ModelArts.4704 | 400 | OBS download failed.
ModelArts.4705 | 400 | OBS file too big.
ModelArts.4706 | 400 | OBS object does not exist.
"""

_GATEWAY = """
0101 | 404 | The API does not exist or has not been published in the environment.
0103 | 500 | The backend does not exist.
0104 | 500 | The plug-ins do not exist.
0105 | 500 | The backend configurations do not exist.
0106 | 400 | Orchestration error.
0107 | 500 | The custom authorizer is missing.
0108 | 404 | The API group does not exist.
0201/400 | 400 | Bad request.
0201/413 | 413 | Request entity too large.
0201/414 | 414 | Request URI too large.
0201/494 | 494 | Request headers too large.
0201/500 | 500 | Internal error.
0201/502 | 502 | Backend unavailable.
0201/504 | 504 | Backend timeout.
0202 | 502 | Backend unavailable.
0203 | 504 | Backend timeout.
0204 | 400 | SSL protocol is not supported: TLSv1.1
0205 | 400 | Verify client certificate failed.
0301/token-expired | 401 | Incorrect IAM authentication information: token expires, expires at 2023-11-14T22:13:20.000000Z
0301/token-broken | 401 | Incorrect IAM authentication information: decrypt token fail
0301/clock | 401 | Incorrect IAM authentication information: calc aksk signature fail:signature expired, {times}
0301/signature | 401 | Incorrect IAM authentication information: verify aksk signature fail
0301/access-key | 401 | Incorrect IAM authentication information: AK access failed to reach the limit, ak not exist
0301/echo | 401 | Incorrect IAM authentication information: verify aksk signature fail, canonicalRequest:POST|{path}|host:{host}|{ak}
0302 | 403 | The IAM user is not authorized to access the API.
0303 | 401 | Incorrect app authentication information: app not found
0303/clock | 401 | Incorrect app authentication information: signature expired, {times}
0304 | 403 | The app is not authorized to access the API.
0305 | 401 | Incorrect authentication information.
0306 | 403 | API access denied.
0307 | 401 | The token must be updated.
0308/minute | 429 | The throttling threshold has been reached: policy api over ratelimit,limit:60,time:1 minute
0308/second | 429 | The throttling threshold has been reached: policy user over ratelimit,limit:10,time:1 second
0310 | 403 | The project is unavailable.
0311 | 401 | Incorrect debugging authentication information.
0312 | 401 | Incorrect third-party authentication information: auth fail
0313 | 401 | Incorrect identities in third-party authentication information: identity error
0314 | 403 | The request was denied by the access control of the group.
0401 | 403 | Unknown client IP address.
0402 | 403 | The IP address is not authorized to access the API.
0404 | 403 | Access to the backend IP address has been denied.
0405 | 403 | The app is not accessed from a trusted IP address.
0501 | 405 | The app quota has been used up.
0502 | 405 | The app has been frozen.
0601 | 500 | Internal server error.
0602 | 400 | Bad request.
0605 | 500 | Domain name resolution failed.
0606 | 500 | Failed to load the API configurations.
0607 | 400 | The following protocol is supported: https
0608 | 500 | Failed to obtain the admin token.
0609 | 500 | The VPC backend does not exist.
0610 | 502 | No backend available.
0611 | 500 | The backend port does not exist.
0612 | 500 | An API cannot call itself.
0613 | 503 | The IAM service is currently unavailable.
0615 | 500 | Backend signature calculation failed.
0616 | 500 | Service is unreachable in the current region.
0617 | 500 | The backend access failed.
0705 | 500 | Backend signature calculation failed.
0802 | 403 | The IAM user is forbidden in the currently selected region.
1001 | 401 | Refresh token expired.
1002 | 401 | Access token invalid.
1003 | 401 | Access token expired.
1004 | 400 | Grant type invalid.
1009 | 400 | Client key or secret invalid.
2102 | 400 | Token invalid.
2201 | 400 | Access key or secret key invalid.
2202 | 403 | App does not have the right to access the API.
2203 | 401 | The client or its token is invalid.
2204 | 401 | The client or its token is invalid.
2205 | 401 | The client or its token is invalid.
2206 | 401 | The client or its token is invalid.
2207 | 401 | The client or its token is invalid.
2208 | 401 | The client or its token is invalid.
2209 | 401 | The client or its token is invalid.
2210 | 401 | The client or its token is invalid.
2211 | 401 | The client or its token is invalid.
2212 | 401 | The client or its token is invalid.
2213 | 401 | The client or its token is invalid.
"""

IAM = """
IAM.0007 | 400 | Request parameter is invalid.
IAM.0011 | 400 | Request body is invalid.
IAM.1105 | 400 | The access key has expired.
IAM.1107 | 400 | The access key is not active.
IAM.1108 | 400 | The security token has expired.
IAM.1109 | 400 | The project does not exist.
IAM.0001 | 401 | Authentication failed.
IAM.0061 | 401 | The account is locked.
IAM.0062 | 401 | Incorrect password.
IAM.0063 | 401 | Access token authentication failed.
IAM.0064 | 401 | The access token does not have permissions for the request.
IAM.0066 | 401 | The token has expired.
IAM.0067 | 401 | The token is invalid.
IAM.0002 | 403 | You have no right to do this action.
IAM.0003 | 403 | Policy does not allow this to be performed.
IAM.0080 | 403 | The user does not have permissions in this region.
IAM.0082 | 403 | The user is disabled.
IAM.0004 | 404 | Could not find the object.
IAM.0005 | 409 | Conflict occurred while the service stored a resource.
IAM.0012 | 429 | The throttling threshold has been reached.
IAM.0006 | 500 | Internal error.
IAM.0006/503 | 503 | Service unavailable.
"""


def gateway() -> str:
    """The gateway's lines under today's prefix and, for the commonest, under the older one."""
    today = "".join(f"APIG.{line}\n" for line in _GATEWAY.strip().splitlines())
    older = "".join(
        f"APIGW.{line}\n" for line in _GATEWAY.strip().splitlines() if line.startswith(("0101", "0301", "0308", "0502", "0601"))
    )
    return today + older

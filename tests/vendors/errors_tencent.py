"""Errors of Tencent's API 3.0: code | text; a plus marks those that are charged. All arrive with HTTP 200."""

TABLE = """
ActionOffline | This API is offline.
AuthFailure.InvalidAuthorization | The Authorization header does not meet the requirements.
AuthFailure.InvalidSecretId | The key is not a cloud API key.
AuthFailure.MFAFailure | The multi-factor check failed.
AuthFailure.SecretIdNotFound | The SecretId is not found, please ensure that your SecretId is correct.
AuthFailure.SignatureExpire | The signature has expired: the timestamp is more than five minutes from the server time.
AuthFailure.SignatureFailure | The provided credentials could not be validated. Please check your signature is correct.
AuthFailure.TokenFailure | The token is invalid.
AuthFailure.UnauthorizedOperation | The request is not permitted by the access policy.
DryRunOperation | The request would have succeeded, but DryRun was given.
FailedOperation | The operation failed.
InternalError | An internal error occurred.
InvalidAction | The action is invalid or not found.
InvalidParameter | A parameter is invalid.
InvalidParameterValue | The value of a parameter is invalid.
InvalidRequest | The multipart format of the request is invalid.
IpInBlacklist | The address is on the deny list.
IpNotInWhitelist | The address is not on the allow list.
LimitExceeded | A quota is exceeded.
MissingParameter | A parameter is missing.
NoSuchProduct | The product does not exist.
NoSuchVersion | The API version does not exist.
RequestLimitExceeded | The request rate limit is exceeded.
RequestLimitExceeded.IPLimitExceeded | The rate limit of the address is exceeded.
RequestLimitExceeded.UinLimitExceeded | The rate limit of the root account is exceeded.
RequestLimitExceeded.GlobalRegionUinLimitExceeded | The rate limit of the root account over all regions is exceeded.
RequestSizeLimitExceeded | The request size is exceeded.
ResponseSizeLimitExceeded | The response size is exceeded.
ResourceInUse | The resource is in use.
ResourceInsufficient | The resource is insufficient.
ResourceNotFound | The resource does not exist.
ResourceUnavailable | The resource is unavailable.
ServiceUnavailable | The service is unavailable for the moment.
UnauthorizedOperation | The operation is not authorised.
UnknownParameter | A parameter is unknown.
UnsupportedOperation | The operation is not supported.
UnsupportedProtocol | The protocol is not supported; use GET or POST.
UnsupportedRegion | The region is not supported.
FailedOperation.DownLoadError | File download failed.
+FailedOperation.EmptyImageError | The image is empty.
FailedOperation.ImageDecodeFailed | Image decoding failed.
FailedOperation.OcrFailed | OCR failed.
FailedOperation.UnKnowError | Unknown error.
FailedOperation.UnOpenError | The service is not activated.
InvalidParameterValue.InvalidParameterValueLimit | Incorrect parameter value.
LimitExceeded.TooLargeFileError | The file is too large.
ResourcesSoldOut.ChargeStatusException | Exceptional billing status.
ResourceUnavailable.InArrears | The account is in arrears.
ResourceUnavailable.ResourcePackageRunOut | The resource package is used up.
FailedOperation.EngineRecognizeTimeout | The engine timed out.
FailedOperation.DetectFailed | Nothing was detected.
FailedOperation.ImageNoText | No text is found in the image.
FailedOperation.ImageBlur | The image is blurred.
FailedOperation.ImageSizeTooLarge | The image is too large.
FailedOperation.FileDecodeFailed | File decoding failed.
FailedOperation.UnKnowFileTypeError | The file type is unknown.
FailedOperation.NoVehicleLicenseError | No vehicle licence is found.
FailedOperation.ImageNoSpecifiedCard | The image does not show the card asked for.
FailedOperation.LicenseCardSideError | The side of the licence is wrong.
FailedOperation.CardSideError | The side of the card is wrong.
FailedOperation.MultiCardError | The image shows more than one card.
FailedOperation.LicenseMultiCardError | The image shows more than one licence.
FailedOperation.ResponseParseFailed | The response could not be parsed.
FailedOperation.CountLimitError | The number of calls of today is exceeded.
FailedOperation.ArrearsError | The account is in arrears.
+FailedOperation.ImageNoBusinessCard | The image shows no business card.
InvalidParameter.EngineImageDecodeFailed | Image decoding failed.
ResourceUnavailable.ImageDownloadError | The image could not be downloaded.
"""

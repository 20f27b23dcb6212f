"""The program of FastAPI's tutorial on security, for wrk_test.go: users in a dict, password hashes by
passlib, HS256 tokens by python-jose, and a route that requires a token."""

import os
from datetime import datetime, timedelta

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from jose import JWTError, jwt
from passlib.context import CryptContext
from pydantic import BaseModel

SECRET = os.environ["TUTORIAL_SECRET"]  # the same for every worker
HASHES = CryptContext(schemes=["bcrypt"])


class User(BaseModel):
    id: str
    username: str
    disabled: bool = False


class StoredUser(User):
    password_hash: str


rows = {"ada": {"id": "1", "username": "ada", "disabled": False, "password_hash": HASHES.hash("correct horse battery")}}
app = FastAPI()
bearer = OAuth2PasswordBearer(tokenUrl="login")


def stored(username):
    return StoredUser(**rows[username]) if username in rows else None


@app.post("/login")
async def login(form: OAuth2PasswordRequestForm = Depends()):
    user = stored(form.username)
    if user is None or not HASHES.verify(form.password, user.password_hash):
        raise HTTPException(401, "wrong username or password", {"WWW-Authenticate": "Bearer"})
    expires = datetime.utcnow() + timedelta(minutes=15)
    token = jwt.encode({"sub": user.username, "exp": expires}, SECRET, algorithm="HS256")
    return {"access_token": token, "token_type": "bearer"}


async def current_user(token: str = Depends(bearer)):
    refused = HTTPException(401, "not a valid token", {"WWW-Authenticate": "Bearer"})
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    except JWTError:
        raise refused
    user = stored(claims.get("sub"))
    if user is None:
        raise refused
    return user


async def enabled_user(user: User = Depends(current_user)):
    if user.disabled:
        raise HTTPException(400, "disabled")
    return user


@app.get("/profile", response_model=User)
async def profile(user: User = Depends(enabled_user)):
    return user
